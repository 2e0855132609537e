/** When something that is waited for is done, cannot be, or is under way: a table. */
import t from "tap";
import type { Node, Volume } from "../../rest-client/resources.js";
import { condition, controller, DETACHED, facts, FAULTED, node, replica, ticket, tickets } from "./explain/testing/facts.js"; // prettier-ignore
import {
  attached,
  cloned,
  created,
  deleted,
  detached,
  emptied,
  expanded,
  healthy,
  purged,
  type Progress,
  type Step,
} from "./progress.js";

const is = (change: object): Volume => facts(change).volume;
const OTHER = ticket("node-1", true, { attachmentID: "csi-1", attachmentType: "csi-attacher" });
const NO_PLACE = { Scheduled: condition("Scheduled", "False", "ReplicaSchedulingFailure", "insufficient storage\nnode-1/main: full") }; // prettier-ignore
const rebuild = { replica: "data-r-2", fromReplica: "data-r-1", isRebuilding: true, progress: 40, state: "in_progress", error: "" }; // prettier-ignore
const purge = (change: object) => [{ replica: "data-r-1", isPurging: false, progress: 100, error: "", state: "complete", ...change }]; // prettier-ignore
const growing = (change: object) => is({ size: "21474836480", controllers: [controller(change)] });
const clone = (state: string) => is({ ...DETACHED, dataSource: "vol://other", cloneStatus: { state, sourceVolume: "other", attemptCount: 2 } }); // prettier-ignore

const done = (text: string): Progress => ({ is: "done", text });
const inVain = (why: string): Progress => ({ is: "in vain", why });
const underWay = (text: string, percent: number | null = null): Progress => ({ is: "under way", text, percent }); // prettier-ignore

const AFTER_MS = 60_000;
const CASES: [what: string, step: Step, volume: Volume | null, progress: Progress][] = [
  ["made", created("data"), is(DETACHED), done("data is made, with 2 copies on node-1 and node-2")],
  ["made without room", created("data"), is({ ...DETACHED, state: "creating", replicas: [], conditions: NO_PLACE }), underWay("not all copies have a place: insufficient storage; node-1/main: full")],
  ["attached", attached("data", "", "node-1"), is({ controllers: [controller({ endpoint: "/dev/longhorn/data" })] }), done("data is attached to node-1: /dev/longhorn/data")],
  ["in use elsewhere", attached("data", "", "node-2"), is({ volumeAttachment: tickets(OTHER, ticket("node-2", false)) }), underWay("attached on node-1, for csi-attacher csi-1")],
  ["attached in another way", attached("data", "", "node-1"), is({ volumeAttachment: tickets(ticket("node-1", false, { conditions: [condition("Satisfied", "False", "", "its frontend is disabled")] })) }), inVain("its frontend is disabled")],
  ["somebody else took the wish back", attached("data", "", "node-1"), is(DETACHED), inVain("node-1 is not asked for any more")],
  ["attached while faulted", attached("data", "", "node-1"), is(FAULTED), inVain("volume data is faulted: no copy can be used. aurochs explain data says more")],
  ["attached and deleted meanwhile", attached("data", "", "node-1"), null, inVain("volume data is gone")],
  ["detached", detached("data"), is(DETACHED), done("data is detached")],
  ["detached, and wanted by others", detached("data"), is({ volumeAttachment: tickets(OTHER) }), inVain("data is still wanted: on node-1 by csi-attacher csi-1")],
  ["detached, and worked on", detached("data"), is({ volumeAttachment: tickets(ticket("node-1", true, { attachmentID: "snapshot-controller-one", attachmentType: "snapshot-controller" })) }), underWay("attached, worked on: on node-1 by snapshot-controller-one")],
  ["healthy", healthy("data"), is({}), done("data is healthy: 2 of 2 copies")],
  ["rebuilding", healthy("data"), is({ robustness: "degraded", replicas: [replica(1), replica(2, { mode: "WO" })], rebuildStatus: [rebuild] }), underWay("1 of 2 copies; data-r-2 is rebuilt from data-r-1", 40)],
  ["rebuilding without room", healthy("data"), is({ robustness: "degraded", replicas: [replica(1)], conditions: NO_PLACE }), underWay("1 of 2 copies; not all copies have a place: insufficient storage; node-1/main: full")],
  ["rebuilding what nobody uses", healthy("data"), is(DETACHED), inVain("data is detached, and copies are rebuilt while a volume is attached")],
  ["about to be attached again", healthy("data"), is({ ...DETACHED, volumeAttachment: tickets(ticket("node-1", false)) }), underWay("detached, 2 of 2 copies")],
  ["grown", expanded("data", is({})), growing({ size: "21474836480" }), done("data has 20 GiB")],
  ["growing", expanded("data", is({})), growing({ isExpanding: true }), underWay("attached, growing to 20 GiB")],
  ["could not grow", expanded("data", is({})), growing({ lastExpansionError: "no space", lastExpansionFailedAt: "2026-01-01T11:58:00Z" }), inVain("no space")],
  ["could not grow some time ago", expanded("data", growing({ lastExpansionFailedAt: "2026-01-01T11:00:00Z" })), growing({ lastExpansionError: "no space", lastExpansionFailedAt: "2026-01-01T11:00:00Z" }), underWay("attached, growing to 20 GiB")],
  ["copied", cloned("data"), clone("completed"), done("data is a copy of other")],
  ["copying", cloned("data"), clone("initiated"), underWay("initiated, attempt 2")],
  ["could not be copied", cloned("data"), clone("failed"), inVain("copying vol://other failed after 2 attempts")],
  ["purged", purged("data"), is({ purgeStatus: purge({}) }), done("data is purged")],
  ["purging", purged("data"), is({ purgeStatus: purge({ isPurging: true, progress: 30 }) }), underWay("1 copy purging", 30)],
  ["could not be purged", purged("data"), is({ purgeStatus: purge({ error: "input/output error" }) }), inVain("data-r-1: input/output error")],
  ["deleted", deleted("data"), null, done("data is deleted")],
  ["being deleted", deleted("data"), is({ state: "deleting" }), underWay("2 copies left")],
]; // prettier-ignore

for (const [what, step, volume, progress] of CASES)
  t.test(what, (t) => {
    t.strictSame(step(volume, AFTER_MS), progress);
    t.end();
  });

t.test("what an engine says of an earlier purge does not end the next one", (t) => {
  const step = purged("data");
  t.strictSame(step(is({ purgeStatus: purge({}) }), 0), underWay("begins"));
  t.strictSame(step(is({ purgeStatus: purge({ isPurging: true, progress: 0 }) }), 100), underWay("1 copy purging", 0)); // prettier-ignore
  t.strictSame(step(is({ purgeStatus: purge({}) }), 200), done("data is purged"));
  t.end();
});

t.test("a node is empty when no replica is left, and not waited for when it is to be used again", (t) => {
  const withReplica = (change: Partial<Node>) => {
    const one = node("node-1", change);
    for (const disk of Object.values(one.disks ?? {})) disk.scheduledReplica = { "data-r-1": 1 };
    return one;
  };
  const step = emptied("node-1", null);
  t.strictSame(step(withReplica({ evictionRequested: true }), 0), underWay("1 replica left: data-r-1"));
  t.strictSame(step(withReplica({}), 0), inVain("node-1 is not to be emptied any more"));
  t.strictSame(step(node("node-1", { disks: {} }), 0), done("no replica is left on node-1"));
  t.end();
});
