/** How fast a sync agent sends: see `aurochs/sync-pace.proto`. */
export * from "./generated/sync-pace-plain.js";
