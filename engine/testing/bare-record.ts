/** What a record says beside its generation, members and engine, where that does not matter. */
import type { MemberRecord } from "../../proto/control.js";

export const BARE_RECORD: Omit<
  MemberRecord,
  "generation" | "members" | "witnesses" | "engineId" | "engineBootId"
> = {
  engineState: new Uint8Array(),
  revisionAtLeast: 0,
  absent: [],
  reverting: "",
  leased: false,
  heldByAll: 0,
};
