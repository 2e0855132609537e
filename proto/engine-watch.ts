/** What an engine tells of its changes: see `aurochs/engine-watch.proto`. */
export * from "./generated/engine-watch-plain.js";
