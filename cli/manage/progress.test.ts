/** When something that is waited for is done, cannot be, or is under way: a table. */
import t from "tap";
import type { Volume } from "../../rest-client/resources.js";
import { condition, controller, DETACHED, facts, failed, FAULTED, replica, ticket, tickets } from "./explain/testing/facts.js"; // prettier-ignore
import {
  attached,
  cloned,
  created,
  deleted,
  detached,
  expanded,
  healthy,
  purged,
  removed,
  type Progress,
  type Step,
} from "./progress.js";

const is = (change: object): Volume => facts(change).volume;
const OTHER = ticket("node-1", true, { attachmentID: "csi-1", attachmentType: "csi-attacher" });
const WRONG = ticket("node-1", false, { conditions: [condition("Satisfied", "False", "", "its frontend is disabled")] }); // prettier-ignore
const LACKING = { ...DETACHED, replicas: [replica(1), failed(2, 50)] };
const NO_PLACE = { Scheduled: condition("Scheduled", "False", "ReplicaSchedulingFailure", "insufficient storage\nnode-1/main: full") }; // prettier-ignore
const rebuild = { replica: "data-r-2", fromReplica: "data-r-1", isRebuilding: true, progress: 40, state: "in_progress", error: "" }; // prettier-ignore
const purge = (change: object) => [{ replica: "data-r-1", isPurging: false, progress: 100, error: "", state: "complete", ...change }]; // prettier-ignore
const growing = (change: object) => is({ size: "21474836480", controllers: [controller(change)] });
const clone = (state: string, attemptCount = 2, why = "") => is({ ...DETACHED, dataSource: "vol://other", cloneStatus: { state, sourceVolume: "other", attemptCount }, conditions: { Clone: condition("Clone", "True", "", why) } }); // prettier-ignore

const done = (text: string): Progress => ({ is: "done", text });
const inVain = (why: string): Progress => ({ is: "in vain", why });
const underWay = (text: string, percent: number | null = null): Progress => ({ is: "under way", text, percent }); // prettier-ignore

const AFTER_MS = 60_000;
const CASES: [what: string, step: Step, volume: Volume | null, progress: Progress][] = [
  ["made", created("data"), is(DETACHED), done("data is made, with 2 copies on node-1 and node-2")],
  ["made, and strict-local", created("data"), is({ ...DETACHED, dataLocality: "strict-local", replicas: [] }), done("data is made; its copy is made where it is first attached")],
  ["made without room", created("data"), is({ ...DETACHED, state: "creating", replicas: [], conditions: NO_PLACE }), underWay("not all copies have a place: insufficient storage; node-1/main: full")],
  ["attached", attached("data", "", "node-1"), is({ controllers: [controller({ endpoint: "/dev/longhorn/data" })] }), done("data is attached to node-1: /dev/longhorn/data")],
  ["in use elsewhere", attached("data", "", "node-2"), is({ volumeAttachment: tickets(OTHER, ticket("node-2", false)) }), underWay("attached on node-1, for csi-attacher csi-1")],
  ["attached in another way for somebody else", attached("data", "", "node-1"), is({ volumeAttachment: tickets(OTHER, WRONG) }), inVain("its frontend is disabled, for csi-attacher csi-1")],
  ["attached in another way so far", attached("data", "", "node-1"), is({ volumeAttachment: tickets(WRONG) }), underWay("its frontend is disabled")],
  ["somebody else took the wish back", attached("data", "", "node-1"), is(DETACHED), inVain("node-1 is not asked for any more")],
  ["attached while faulted", attached("data", "", "node-1"), is(FAULTED), inVain("volume data is faulted: no copy can be used. aurochs explain data says more")],
  ["attached and deleted meanwhile", attached("data", "", "node-1"), null, inVain("volume data is gone")],
  ["detached", detached("data"), is(DETACHED), done("data is detached")],
  ["detached, and wanted by others", detached("data"), is({ volumeAttachment: tickets(OTHER) }), inVain("data is still wanted: on node-1 by csi-attacher csi-1")],
  ["detached, and worked on", detached("data"), is({ volumeAttachment: tickets(ticket("node-1", true, { attachmentID: "snapshot-controller-one", attachmentType: "snapshot-controller" })) }), underWay("attached, worked on: on node-1 by snapshot-controller-one")],
  ["healthy", healthy("data", false), is({}), done("data is healthy: 2 of 2 copies")],
  ["rebuilding", healthy("data", false), is({ robustness: "degraded", replicas: [replica(1), replica(2, { mode: "WO" })], rebuildStatus: [rebuild] }), underWay("1 of 2 copies; data-r-2 is rebuilt from data-r-1", 40)],
  ["rebuilding without room", healthy("data", false), is({ robustness: "degraded", replicas: [replica(1)], conditions: NO_PLACE }), underWay("1 of 2 copies; not all copies have a place: insufficient storage; node-1/main: full")],
  ["whole, and not used", healthy("data", false), is(DETACHED), done("data is detached: 2 of 2 copies have not failed")],
  ["rebuilding what nobody uses", healthy("data", false), is(LACKING), inVain("data is detached with 1 of 2 copies: others are made while it is attached")],
  ["rebuilding what nobody uses, by the setting", healthy("data", true), is({ ...LACKING, offlineRebuilding: "ignored" }), underWay("detached, 1 of 2 copies")],
  ["rebuilding what nobody uses, against the setting", healthy("data", true), is({ ...LACKING, offlineRebuilding: "disabled" }), inVain("data is detached with 1 of 2 copies: others are made while it is attached")],
  ["removing a copy of what nobody uses", removed("data", "data-r-2", false), is(DETACHED), underWay("data-r-2 is being removed")],
  ["removed a copy of what nobody uses", removed("data", "data-r-2", false), is({ ...DETACHED, replicas: [replica(1)] }), done("data-r-2 is removed: data is detached with 1 of 2 copies")],
  ["removed a copy of what is rebuilt anyway", removed("data", "data-r-2", true), is({ ...DETACHED, replicas: [replica(1)] }), underWay("detached, 1 of 2 copies")],
  ["about to be attached again", healthy("data", false), is({ ...DETACHED, volumeAttachment: tickets(ticket("node-1", false)) }), underWay("detached, 2 of 2 copies")],
  ["grown", expanded("data", is({})), growing({ size: "21474836480" }), done("data has 20 GiB")],
  ["grown before it is ever used", expanded("data", is(DETACHED)), is({ ...DETACHED, size: "21474836480", controllers: [controller({ hostId: "", size: "0" })] }), done("data has 20 GiB")],
  ["grown while its engine starts", expanded("data", is(DETACHED)), is({ state: "attaching", size: "21474836480", controllers: [controller({ size: "0" })] }), underWay("attaching, growing to 20 GiB")],
  ["growing", expanded("data", is({})), growing({ isExpanding: true }), underWay("attached, growing to 20 GiB")],
  ["could not grow", expanded("data", is({})), growing({ lastExpansionError: "no space", lastExpansionFailedAt: "2026-01-01T11:58:00Z" }), inVain("no space")],
  ["could not grow some time ago", expanded("data", growing({ lastExpansionFailedAt: "2026-01-01T11:00:00Z" })), growing({ lastExpansionError: "no space", lastExpansionFailedAt: "2026-01-01T11:00:00Z" }), underWay("attached, growing to 20 GiB")],
  ["copied", cloned("data"), clone("completed"), done("data is a copy of other")],
  ["copying", cloned("data"), clone("initiated"), underWay("initiated, attempt 2")],
  ["could not be copied", cloned("data"), clone("failed"), inVain("copying vol://other failed after 2 attempts")],
  ["copying, and says what for", cloned("data"), clone("initiated", 0, "volume other is waited for"), underWay("initiated: volume other is waited for")],
  ["could not be copied at all", cloned("data"), clone("failed", 0, "volume other has no snapshot typo"), inVain("copying vol://other failed: volume other has no snapshot typo")],
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
