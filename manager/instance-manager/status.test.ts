import t from "tap";
import { nextStatus, type Status, type StatusEvent } from "./status.js";

const ENDED = (code: number | null, signal: NodeJS.Signals | null = null): StatusEvent => ({
  type: "ended",
  ending: { code, signal },
  said: "",
});

t.test("every state answers every event", (t) => {
  const events: [string, StatusEvent][] = [
    ["ready", { type: "ready" }],
    ["stop", { type: "stop" }],
    ["ended 0", ENDED(0)],
    ["ended 1", ENDED(1)],
    ["unknown", ENDED(null)],
    ["crashed", { type: "crashed", reason: "again" }],
    ["failed", { type: "failed", reason: "why" }],
  ];
  const table: Record<Status["state"], string> = {
    starting: "running stopping stopped error error starting error",
    running: "running stopping stopped error error starting error",
    stopping: "stopping stopping stopped error stopped stopping error",
    stopped: "stopped stopped stopped stopped stopped stopped stopped",
    error: "error error error error error error error",
  };
  for (const [state, row] of Object.entries(table) as [Status["state"], string][]) {
    const found = events.map(([, event]) => nextStatus({ state, errorMsg: "" }, event).state);
    t.equal(found.join(" "), row, state);
  }
  t.end();
});

t.test("an error says how the process ended", (t) => {
  const running: Status = { state: "running", errorMsg: "" };
  t.equal(nextStatus(running, ENDED(61)).errorMsg, "exit status 61");
  const said: StatusEvent = {
    type: "ended",
    ending: { code: 1, signal: null },
    said: "iscsiadm is not installed",
  };
  t.equal(nextStatus(running, said).errorMsg, "exit status 1: iscsiadm is not installed");
  t.equal(nextStatus(running, ENDED(null, "SIGKILL")).errorMsg, "signal: killed");
  t.equal(nextStatus(running, { type: "failed", reason: "no such file" }).errorMsg, "no such file");
  t.end();
});
