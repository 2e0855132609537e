/** The contracts of a node's agent: Longhorn's instance manager services, and ours beside them. */
export * from "./generated/imrpc-plain.js";
export * from "./generated/node-agent-plain.js";
export * from "./generated/replica-host-plain.js";
