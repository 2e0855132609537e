/** Situations that a volume may be in. What is said of each stands in the file beside, as it is printed. */
import type { Facts } from "../facts.js";
import {
  condition,
  controller,
  DETACHED,
  downNode,
  event,
  failed,
  facts,
  FAULTED,
  node,
  replica,
  ticket,
  tickets,
} from "./facts.js";

const rebuild = (change: object) => [{ replica: "data-r-2", fromReplica: "data-r-1", isRebuilding: true, progress: 40, state: "in_progress", error: "", ...change }]; // prettier-ignore
const unscheduled = (message: string) => ({ Scheduled: condition("Scheduled", "False", "ReplicaSchedulingFailure", message) }); // prettier-ignore
const off = (name: string): Pick<Facts, "settings"> => ({ settings: new Map([[name, name.startsWith("concurrent") ? "0" : "false"]]) }); // prettier-ignore
const DEGRADED = { robustness: "degraded", replicas: [replica(1), failed(2, 30)] };
const TWO_DOWN = [node("node-1"), downNode("node-2"), node("node-3")];
const CLONE = { ...DETACHED, dataSource: "vol://other" };
const clone = (state: string, change: object = {}) => ({ state, sourceVolume: "other", snapshot: "", attemptCount: 3, nextAllowedAttemptAt: "", ...change }); // prettier-ignore

export const CASES: Readonly<Record<string, Facts>> = {
  healthy: facts({}),
  "detached, and nobody wants it": facts(DETACHED, { events: [event("Detached", "volume data is detached from node-1", "Normal")] }), // prettier-ignore
  "detached, and a node is away": facts(DETACHED, { nodes: TWO_DOWN }),
  "detached, and a copy has failed": facts({ ...DETACHED, replicas: [replica(1, { mode: "", running: false }), failed(2, 30)] }), // prettier-ignore
  "being created": facts({ ...DETACHED, state: "creating", replicas: [], controllers: [] }),

  "a copy is rebuilt": facts({ robustness: "degraded", replicas: [replica(1), replica(2, { mode: "WO" })], rebuildStatus: rebuild({}) }), // prettier-ignore
  "a copy's node is away": facts(DEGRADED, { nodes: TWO_DOWN, events: [event("Degraded", "volume data became degraded", "Normal"), event("Ready", "node node-2 is not ready: the agent of node node-2 cannot be reached")] }), // prettier-ignore
  "a copy failed though its node is there": facts({ ...DEGRADED, rebuildStatus: rebuild({ isRebuilding: false, progress: 0, error: "connection refused" }) }), // prettier-ignore
  "a copy's disk is gone": facts(DEGRADED, {
    nodes: [node("node-1"), node("node-2", { disks: {} }), node("node-3")],
  }),
  "a failed copy was replaced": facts({ replicas: [replica(1), failed(2, 30), replica(3)] }),
  "rebuilds are switched off": facts(DEGRADED, off("concurrent-replica-rebuild-per-node-limit")),
  "a copy is missing": facts({ robustness: "degraded", replicas: [replica(1)] }),
  "one copy too many": facts({ replicas: [replica(1), replica(2), replica(3)] }),
  "nothing is heard of a current copy": facts({}, { nodes: TWO_DOWN }),
  "no copy can be reached by the engine": facts({ robustness: "degraded", replicas: [failed(1, 50), failed(2, 30)] }, { nodes: TWO_DOWN }), // prettier-ignore
  "the node that uses it is away": facts({ robustness: "unknown" }, { nodes: [downNode("node-1"), node("node-2"), node("node-3")] }), // prettier-ignore

  "no room for a copy": facts({ robustness: "degraded", replicas: [replica(1)], conditions: unscheduled("hard affinity cannot be satisfied; insufficient storage\nnode-1: another replica is on the node\nnode-2/main: 9 GiB are promised to replicas, and 1 GiB may still be: less than 10 GiB") }), // prettier-ignore
  "no node may take it": facts({ ...DETACHED, state: "creating", replicas: [], conditions: unscheduled("nodes are unavailable; disks are unavailable\nnode-1: scheduling is switched off for the node\nnode-2: the node is not ready\nnode-3/main: scheduling is switched off for the disk") }, { nodes: [node("node-1", { allowScheduling: false }), downNode("node-2"), diskOff("node-3")] }), // prettier-ignore
  "no node has its tags": facts({ ...DETACHED, nodeSelector: ["fast"], conditions: unscheduled("tags not fulfilled\nnode-1: the node is not tagged fast") }), // prettier-ignore
  "no copy where it is used": facts({ conditions: { Scheduled: condition("Scheduled", "True", "LocalReplicaSchedulingFailure", "insufficient storage\nnode-1/main: 9 GiB are promised to replicas, and 1 GiB may still be: less than 10 GiB") } }), // prettier-ignore
  "a node is emptied, and there is no other": facts({}, { nodes: [node("node-1"), node("node-2", { evictionRequested: true, allowScheduling: false })], events: [event("EvictionFailed", "no other place for a replica of volume data")] }), // prettier-ignore

  "wanted on a node that is away": facts({ ...DETACHED, state: "attaching", volumeAttachment: tickets(ticket("node-2", false)) }, { nodes: TWO_DOWN }), // prettier-ignore
  "wanted on a node that is not known": facts({
    ...DETACHED,
    volumeAttachment: tickets(ticket("node-9", false)),
  }),
  "wanted elsewhere": facts({ volumeAttachment: tickets(ticket("node-1", true, { attachmentID: "csi-1", attachmentType: "csi-attacher" }), ticket("node-2", false)) }), // prettier-ignore
  "wanted with its frontend": facts({ volumeAttachment: tickets(ticket("node-1", true, { attachmentID: "mine" }), ticket("node-1", false, { attachmentID: "csi-1", attachmentType: "csi-attacher", conditions: [condition("Satisfied", "False", "AttachedWithIncompatibleParameters", "volume data is attached to node node-1 with the frontend disabled")] })) }), // prettier-ignore
  "its copies are all away": facts({ ...DETACHED, state: "attaching", volumeAttachment: tickets(ticket("node-3", false)) }, { nodes: [downNode("node-1"), downNode("node-2"), node("node-3")] }), // prettier-ignore
  "its copies are being started": facts({ ...DETACHED, state: "attaching", volumeAttachment: tickets(ticket("node-1", false)) }), // prettier-ignore

  "its engine ends again and again": facts({ ...DETACHED, state: "attaching", replicas: [replica(1, { mode: "" }), replica(2, { mode: "" })], volumeAttachment: tickets(ticket("node-1", false)) }, { events: [event("Start", "data-e-0 is started on node-1", "Normal", 9), event("Stop", "data-e-0 is stopped on node-1", "Normal", 8)] }), // prettier-ignore

  "its engine cannot be started": facts({ ...DETACHED, state: "attaching", replicas: [replica(1, { mode: "" }), replica(2, { mode: "" })], volumeAttachment: tickets(ticket("node-1", false)) }, { events: [event("Start", "data-e-0 is started on node-1", "Normal", 9), event("Stop", "data-e-0 is stopped on node-1", "Normal", 8), event("FailedStarting", "data-e-0 cannot be started: exit status 1: iscsiadm is not installed", "Warning", 8)] }), // prettier-ignore

  "nobody has asked for it, and its engine could not be started": facts({
    ...DETACHED,
    actions: { salvage: "" },
  }),
  "its engine does not start from what is there": facts({ ...DETACHED, state: "attaching", replicas: [replica(1, { mode: "" }), replica(2, { mode: "", running: false })], volumeAttachment: tickets(ticket("node-1", false)) }, { nodes: TWO_DOWN, events: [event("FailedStarting", "data-e-0 cannot be started: exit status 1: gave up waiting after 30000 ms: replica r2 has not answered", "Warning", 8)] }), // prettier-ignore

  "faulted, and the newest copy is away": facts({ ...FAULTED, replicas: [failed(1, 10), failed(2, 50)] }, { nodes: TWO_DOWN }), // prettier-ignore
  "faulted, the newest copy is away, and nothing is automatic": facts({ ...FAULTED, replicas: [failed(1, 10), failed(2, 50)] }, { nodes: TWO_DOWN, ...off("auto-salvage") }), // prettier-ignore
  "faulted, both failed together and one is away": facts({ ...FAULTED, replicas: [failed(1, 50), failed(2, 50)] }, { nodes: TWO_DOWN }), // prettier-ignore
  "faulted, with all there": facts(
    { ...FAULTED, replicas: [failed(1, 50), failed(2, 50)] },
    off("auto-salvage"),
  ),
  "faulted, one failed long before": facts({ ...FAULTED, replicas: [failed(1, 10), failed(2, 50)] }, off("auto-salvage")), // prettier-ignore
  "faulted, and about to be tried again": facts({ ...FAULTED, replicas: [failed(1, 50), failed(2, 10)] }),
  "faulted, and still detaching": facts({ ...FAULTED, state: "detaching", replicas: [failed(1, 50), failed(2, 10)] }), // prettier-ignore
  "faulted, with one that was never whole": facts({ ...FAULTED, replicas: [failed(1, 50), replica(2, { mode: "" })] }, { nodes: [downNode("node-1"), node("node-2"), node("node-3")] }), // prettier-ignore
  "faulted, without copies": facts({ ...FAULTED, replicas: [] }),

  growing: facts({ size: "21474836480", controllers: [controller({ isExpanding: true })] }),
  "could not grow": facts({ size: "21474836480", controllers: [controller({ lastExpansionError: "replica data-r-2: no space left on device", lastExpansionFailedAt: "2026-01-01T11:58:00Z" })] }), // prettier-ignore
  "waits for its source": facts({ ...CLONE, cloneStatus: clone("initiated", { nextAllowedAttemptAt: "2026-01-01T12:02:00Z" }) }, { source: facts({ name: "other" }).volume }), // prettier-ignore
  "waits for a source that cannot be attached": facts({ ...CLONE, cloneStatus: clone("initiated", { attemptCount: 0 }), conditions: { Clone: condition("Clone", "True", "CloneInProgress", "volume other is waited for: it has to be attached") } }, { source: facts({ ...DETACHED, state: "attaching", name: "other" }).volume }), // prettier-ignore
  "cannot be attached, and is to be copied": facts({ ...DETACHED, state: "attaching", replicas: [replica(1, { mode: "" }), replica(2, { mode: "", running: false })], volumeAttachment: tickets(ticket("node-1", false, { attachmentID: "volume-clone-controller-copy", attachmentType: "volume-clone-controller" })) }, { nodes: TWO_DOWN, unfinishedCopies: ["copy"], events: [event("FailedStarting", "data-e-0 cannot be started: exit status 1: gave up waiting after 30000 ms: replica r2 has not answered", "Warning", 8)] }), // prettier-ignore
  "faulted, and is to be copied": facts({ ...FAULTED, replicas: [failed(1, 10), failed(2, 50)] }, { nodes: TWO_DOWN, unfinishedCopies: ["copy", "another"] }), // prettier-ignore
  "could not be copied": facts({ ...CLONE, cloneStatus: clone("failed") }),
  "has no such snapshot to be copied": facts({ ...CLONE, cloneStatus: clone("failed", { attemptCount: 0 }), conditions: { Clone: condition("Clone", "False", "CloneFailure", "volume other has no snapshot typo") } }, { source: facts({ name: "other" }).volume }), // prettier-ignore
  "no node for a witness": facts({ conditions: { Witnessed: condition("Witnessed", "False", "NoNode", "there is no node without a copy that could hold a witness") } }), // prettier-ignore
  "a witness does not answer": facts({ conditions: { Witnessed: condition("Witnessed", "False", "WitnessDoesNotCount", "does not answer: connection refused") } }), // prettier-ignore
  "many snapshots": facts({ conditions: { TooManySnapshots: condition("TooManySnapshots", "True", "TooManySnapshots", "volume data has 101 snapshots") } }), // prettier-ignore
  "it has jobs that are not there": facts(
    {},
    {
      unknownJobs: [
        { name: "nightly", isGroup: false },
        { name: "weekly", isGroup: true },
      ],
    },
  ),
  "a purge failed": facts({ purgeStatus: [{ replica: "data-r-2", error: "input/output error", isPurging: false, progress: 0, state: "error" }] }), // prettier-ignore
  "being filled from a backup": facts({ ...DETACHED, restoreRequired: true, volumeAttachment: tickets(ticket("node-1", true)) }), // prettier-ignore
  "being deleted, and a node is away": facts({ ...DETACHED, state: "deleting" }, { nodes: TWO_DOWN }),
};

function diskOff(name: string) {
  const [disk] = Object.values(node(name).disks ?? {});
  if (disk === undefined) throw new Error("it has a disk");
  return node(name, { disks: { main: { ...disk, allowScheduling: false } } });
}
