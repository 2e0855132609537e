/** When a node may go down, or is empty: a table. */
import t from "tap";
import type { EventResource, Node, Volume } from "../../rest-client/resources.js";
import { condition, controller, DETACHED, downNode, event, facts, failed, FAULTED, node, replica } from "./explain/testing/facts.js"; // prettier-ignore
import { emptied, mayGoDown } from "./node-progress.js";
import { done, inVain, underWay, type Progress } from "./progress.js";

const is = (change: object): Volume => facts(change).volume;
const named = (name: string, change: object = {}) => is({ name, controllers: [controller({ hostId: "node-3" })], ...change }); // prettier-ignore
const CORDONED = node("node-1", { allowScheduling: false });
const NODES = [CORDONED, node("node-2"), node("node-3")];
const ALONE = { replicas: [replica(1)], robustness: "degraded" };
const rebuild = [{ replica: "data-r-2", fromReplica: "data-r-1", isRebuilding: true, progress: 40, state: "in_progress", error: "" }]; // prettier-ignore
const NO_PLACE = { Scheduled: condition("Scheduled", "False", "ReplicaSchedulingFailure", "insufficient storage\nnode-3/main: full") }; // prettier-ignore
const badDisk = (name: string): Node => {
  const one = node(name);
  for (const disk of Object.values(one.disks ?? {}))
    disk.conditions = { Ready: condition("Ready", "False", "NoDiskInfo") };
  return one;
};

const SAFE = "node-1 may go down: each volume with a copy there (1) has a healthy one elsewhere.";
const STUCK = "node-1 must not go down yet, and stays cordoned:\n  ";
const lacks = (why: string, percent: number | null = null) => underWay(`1 volume without a healthy copy elsewhere: ${why}`, percent); // prettier-ignore

const CASES: [what: string, volumes: Volume[], nodes: Node[], progress: Progress][] = [
  ["another copy is current", [named("data")], NODES, done(SAFE)],
  ["another copy of three is current, and the third away", [named("data", { numberOfReplicas: 3, replicas: [replica(1), replica(2), failed(3, 50)], robustness: "degraded" })], NODES, done(SAFE)],
  ["no copies are there", [named("data", { replicas: [replica(2), replica(3)] })], NODES, done("node-1 may go down: no volume has a copy there.")],
  ["it is attached there", [is({})], NODES, done(`${SAFE}\nStill attached there: data. Move their users first: aurochs volume detach, or in Kubernetes kubectl drain.`)],
  ["detached", [is({ ...DETACHED, controllers: [] })], NODES, done(SAFE)],
  ["the other one is rebuilt", [named("data", { replicas: [replica(1), replica(2, { mode: "WO" })], rebuildStatus: rebuild })], NODES, lacks("data is being rebuilt", 40)],
  ["the other one has no place", [named("data", { ...ALONE, conditions: NO_PLACE })], NODES, lacks("data: not all copies have a place: insufficient storage; node-3/main: full")],
  ["the other one is on a node that is down", [is({ ...DETACHED, controllers: [] })], [CORDONED, downNode("node-2")], lacks("data: node-2 cannot be reached")],
  ["the other one is on a disk that vanished", [is({ ...DETACHED, controllers: [] })], [CORDONED, badDisk("node-2")], lacks("data: detached, and copies are rebuilt while a volume is attached, or if offline-replica-rebuilding says so")],
  ["the other one failed, and nobody uses it", [is({ ...DETACHED, controllers: [], replicas: [replica(1, { mode: "" }), failed(2, 50)] })], NODES, lacks("data: detached, and copies are rebuilt while a volume is attached, or if offline-replica-rebuilding says so")],
  ["the other one was never whole, and nobody uses it", [is({ ...DETACHED, controllers: [], offlineRebuilding: "enabled", replicas: [replica(1, { mode: "" }), replica(2, { mode: "WO" })] })], NODES, lacks("data: detached")],
  ["it is the only one that is wanted", [named("data", { ...ALONE, numberOfReplicas: 1 })], NODES, inVain(`${STUCK}data wants one copy, which is on node-1: aurochs volume update data --replicas 2 makes another, aurochs node evict node-1 moves it`)],
  ["no copy can be used", [is({ ...FAULTED, controllers: [], replicas: [failed(1, 50), failed(2, 40)] })], NODES, inVain(`${STUCK}data is faulted, and its data may be on node-1 alone. aurochs explain data says more`)],
  ["it is being deleted", [is({ ...ALONE, controllers: [], state: "deleting" })], NODES, done("node-1 may go down: no volume has a copy there.")],
  ["what is left is on one that is drained, too", [named("data")], [CORDONED, node("node-2", { allowScheduling: false }), node("node-3")], done(`${SAFE}\nNot together with node-2, cordoned as well: too little would be left of data.`)],
  ["one of the others of three is drained, too", [named("data", { numberOfReplicas: 3, replicas: [replica(1), replica(2), replica(3)] })], [CORDONED, node("node-2", { allowScheduling: false }), node("node-3")], done(`${SAFE}\nNot together with node-2, cordoned as well: too little would be left of data.`)],
  ["another node is down already", [named("data")], [CORDONED, node("node-2"), downNode("node-3")], done(`${SAFE}\nnode-3 cannot be reached either: a volume that is not attached may have to wait for one of them, since most of its copies and its witness have to be there.`)],
  ["its engine's node is down", [named("data", { robustness: "unknown" })], NODES, lacks("data: its engine cannot be asked")],
  ["it is strict-local", [named("data", { ...ALONE, numberOfReplicas: 1, dataLocality: "strict-local" })], NODES, inVain(`${STUCK}data is strict-local: its one copy is on node-1, and it cannot be used before node-1 is back`)],
  ["nothing could prove that the other copy is current", [named("data", { conditions: { Witnessed: condition("Witnessed", "False", "NoNode", "no node") } })], NODES, done(`${SAFE}\nNo witness counts for data: what is detached, or attached to node-1, cannot be attached before node-1 is back. Attach to another node first what is needed meanwhile.`)],
  ["it is in use again", [named("data")], [node("node-1")], inVain("node-1 is not cordoned any more: it is in use again")],
  ["it is gone", [named("data")], [node("node-2")], inVain("node node-1 is gone")],
]; // prettier-ignore

for (const [what, volumes, nodes, progress] of CASES)
  t.test(`a node shall go down: ${what}`, (t) => {
    t.strictSame(mayGoDown("node-1")({ nodes, volumes }), progress);
    t.end();
  });

t.test("a node is empty when no replica is left, and not waited for when it is to be used again", (t) => {
  const withReplica = (change: Partial<Node>): Node[] => {
    const one = node("node-1", change);
    for (const disk of Object.values(one.disks ?? {})) disk.scheduledReplica = { "data-r-1": 1 };
    return [one];
  };
  const refused = (volume: string, count: number): EventResource => {
    const one = event("EvictionFailed", `no other place for a replica of volume ${volume}: hard affinity\nnode-2: full`, "Warning", count); // prettier-ignore
    one.event.involvedObject = { kind: "Volume", name: volume, uid: "" };
    return one;
  };
  const step = emptied("node-1", null, [refused("data", 1)]);
  const leaving = withReplica({ evictionRequested: true });
  const events = [refused("data", 1), refused("other", 2)];
  t.strictSame(step({ nodes: leaving, volumes: [], events }), underWay("1 replica left: data-r-1"));
  t.strictSame(
    step({ nodes: leaving, volumes: [], events: [...events, refused("data", 2)] }),
    underWay(
      "1 replica left: data-r-1; no other place for a replica of volume data: hard affinity; node-2: full",
    ),
  );
  t.strictSame(step({ nodes: withReplica({}), volumes: [], events }), inVain("node-1 is not to be emptied any more")); // prettier-ignore
  const nodes = [node("node-1", { disks: {} })];
  t.strictSame(step({ nodes, volumes: [], events }), done("no replica is left on node-1"));
  t.strictSame(
    step({ nodes, volumes: [is({})], events }),
    done(
      "no replica is left on node-1\nStill attached there: data. Move their users first: aurochs volume detach, or in Kubernetes kubectl drain.",
    ),
  );
  t.end();
});
