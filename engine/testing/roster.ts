/** The roster of a volume that units are tried with: its replicas, records and native volume are what the test says. */
import type { Logger } from "pino";
import type { Volume } from "../../native/index.js";
import type { MemberRecord } from "../../proto/control.js";
import { RecordKeeper } from "../record-keeper.js";
import { Roster } from "../roster.js";
import type { Slot } from "../slot.js";
import { BARE_RECORD } from "./bare-record.js";

const SIZE = 1 << 20;
const ignore = (): void => undefined;

/** @param members ids that the first record names, all of them copies
 * @param volume what it does beside taking modes and leases */
export function rosterOf(slots: Slot[], members: string[], volume: object = {}): Roster {
  const record: MemberRecord = {
    ...{ generation: 1, members, witnesses: [], engineId: "e", engineBootId: "" },
    ...BARE_RECORD,
  };
  const native = {
    setMode: () => Promise.resolve(),
    leaseReads: () => Promise.resolve(),
    clock: () => 0,
    ...volume,
  };
  return new Roster({
    volume: native as unknown as Volume,
    keeper: new RecordKeeper("v", record),
    slots,
    size: SIZE,
    onHealth: ignore,
    log: { info: ignore, warn: ignore, error: ignore, debug: ignore } as unknown as Logger,
  });
}
