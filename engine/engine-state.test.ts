import t from "tap";
import { nextEngineState, type EngineEvent, type EngineState } from "./engine-state.js";

const STATES: EngineState[] = [
  { name: "starting" },
  { name: "serving" },
  { name: "degraded", reason: "old" },
  { name: "waiting", reason: "old" },
  { name: "lost-writes", reason: "old" },
  { name: "fenced", reason: "old" },
  { name: "stopping" },
];
const EVENTS: Record<string, EngineEvent> = {
  full: { type: "served", shortOf: null },
  short: { type: "served", shortOf: "new" },
  waited: { type: "waited", reason: "new" },
  lost: { type: "writesLost", reason: "new" },
  fenced: { type: "fenced", reason: "new" },
  stopped: { type: "stopped" },
};
// Columns as EVENTS; "." leaves the state as it is.
const TABLE: Record<EngineState["name"], string> = {
  starting: "serving degraded waiting lost-writes fenced stopping",
  serving: "serving degraded waiting lost-writes fenced stopping",
  degraded: "serving degraded waiting lost-writes fenced stopping",
  waiting: "serving degraded waiting lost-writes fenced stopping",
  "lost-writes": ". . . . fenced stopping",
  fenced: ". . . . . stopping",
  stopping: ". . . . . .",
};

for (const state of STATES) {
  const row = TABLE[state.name].split(" ");
  for (const [index, [name, event]] of Object.entries(EVENTS).entries()) {
    t.test(`${state.name} + ${name}: ${row[index] ?? ""}`, (t) => {
      const next = nextEngineState(state, event);
      if (row[index] === ".") t.equal(next, state);
      else t.equal(next.name, row[index]);
      if (row[index] !== "." && "reason" in next) t.equal(next.reason, "new");
      t.end();
    });
  }
}
