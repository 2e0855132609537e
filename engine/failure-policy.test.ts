import t from "tap";
import type { StatusName, SlotEvent } from "../native/index.js";
import { remedyFor } from "./failure-policy.js";

function failed(status: StatusName): SlotEvent {
  return { type: "failed", slot: 0, status, message: "", op: "write", offset: 0, length: 4096 };
}

const CASES: [name: string, event: SlotEvent, withOther: string, last: string][] = [
  ["the stream ended", { type: "disconnected", slot: 0, reason: "r" }, "reconnect", "reconnect"],
  ["no answer in time", { type: "timeout", slot: 0, op: "write", offset: 0, length: 1, elapsedMs: 8_000 }, "drop", "wait"],
  ["the disk failed", failed("IO_ERROR"), "drop", "answer IO_ERROR"],
  ["bytes changed on the way", failed("CHECKSUM_MISMATCH"), "drop", "answer CHECKSUM_MISMATCH"],
  ["no space", failed("NO_SPACE"), "gather", "answer NO_SPACE"],
  ["a malformed request", failed("INVALID"), "answer INVALID", "answer INVALID"],
  ["a request past the end", failed("OUT_OF_RANGE"), "answer OUT_OF_RANGE", "answer OUT_OF_RANGE"],
  ["another engine owns it", failed("FENCED"), "reconnect", "reconnect"],
  ["it is closed", failed("NOT_OPEN"), "reconnect", "reconnect"],
  ["a status no replica sends", failed("MISCOMPARE"), "drop", "answer IO_ERROR"],
]; // prettier-ignore

for (const [name, event, withOther, last] of CASES) {
  t.test(`${name}: ${withOther}, the last copy: ${last}`, (t) => {
    for (const [otherCopy, expected] of [
      [true, withOther],
      [false, last],
    ] as const) {
      const remedy = remedyFor(event, otherCopy);
      t.equal(remedy.type === "answer" ? `answer ${remedy.status}` : remedy.type, expected);
    }
    t.end();
  });
}

t.test("the last copy is never dropped, whatever it answers", (t) => {
  for (const [, event] of CASES) t.not(remedyFor(event, false).type, "drop");
  t.end();
});
