/** The Container Storage Interface: what Kubernetes asks of a storage driver. */
export * from "./generated/csi-plain.js";
