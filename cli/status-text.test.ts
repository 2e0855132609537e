import t from "tap";
import type { Counters, EngineStatus } from "../proto/control.js";
import { formatBytes } from "../manager/objects/bytes.js";
import { statusText } from "./status-text.js";

const COUNTERS: Counters = { reads: 10, writes: 20, flushes: 1, unmaps: 0, readBytes: 40_960, writtenBytes: 81_920, failed: 0, inFlight: 2 }; // prettier-ignore
const STATUS: EngineStatus = {
  volume: "vol",
  size: 2 ** 31,
  state: "degraded",
  reason: "replica b:1: out of space",
  generation: 7,
  engineId: "e",
  target: "iqn.2019-10.io.longhorn:vol",
  lun: 1,
  portals: ["[::1]:3260"],
  replicas: [
    { address: "a:1", replicaId: "r1", mode: "RW", cause: "", inFlight: 0, crcErrors: 0, directory: "/a", reconciledBytes: 0, reconcileTotalBytes: 0 , resync: "", movedBytes: 0 },
    { address: "c:1", replicaId: "r3", mode: "WO", cause: "", inFlight: 0, crcErrors: 0, directory: "/c", reconciledBytes: 2 ** 20, reconcileTotalBytes: 2 ** 22 , resync: "", movedBytes: 0 },
  ],
  sessions: [{ initiator: "iqn.x:y", address: "10.0.0.1:5", commands: 3 }],
  counters: COUNTERS,
  witness: { address: "w:1", replicaId: "r4", member: true, cause: "" },
}; // prettier-ignore

t.test("a status says what is served, from where, and how it is", (t) => {
  t.equal(
    statusText(STATUS, null, 1_000),
    [
      "volume vol  2 GiB  degraded (replica b:1: out of space)  generation 7",
      "  iscsi://[::1]:3260/iqn.2019-10.io.longhorn:vol/1",
      "  replica  a:1  r1  RW",
      "  replica  c:1  r3  WO  compared 1 MiB of 4 MiB",
      "  witness  w:1  r4  counts",
      "  session  iqn.x:y  10.0.0.1:5  3 commands",
      "  reads 10 (40 KiB)  writes 20 (80 KiB)  flushes 1  unmaps 0  failed 0",
      "",
    ].join("\n"),
  );
  t.end();
});

t.test("with an earlier status it gives rates per second", (t) => {
  const before = { ...STATUS, counters: { ...COUNTERS, reads: 0, readBytes: 0, writes: 10 } };
  t.match(statusText(STATUS, before, 500), "read  20 IOPS  80 KiB/s    write  20 IOPS  0 B/s");
  t.end();
});

t.test("counters of another engine are no basis for rates", (t) => {
  t.match(statusText(STATUS, { ...STATUS, engineId: "older" }, 1_000), "reads 10 (40 KiB)");
  t.end();
});

t.test("bytes are told in the largest unit that keeps them at one or more", (t) => {
  const cases: [number, string][] = [[0, "0 B"], [1023, "1023 B"], [1536, "1.5 KiB"], [2 ** 40, "1 TiB"]]; // prettier-ignore
  for (const [bytes, text] of cases) t.equal(formatBytes(bytes), text);
  t.end();
});
