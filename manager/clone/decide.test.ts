import t from "tap";
import { checkSpec, checkStatus } from "../objects/check.js";
import type { Resource } from "../objects/resource.js";
import type { EngineSnapshot } from "../operations.js";
import { emptyHead } from "../testing/fake-engines.js";
import { decideClone, type CloneEnd, type CloneWorld } from "./decide.js";

const NOW = Date.parse("2030-01-01T00:00:00Z");

const metadata = (name: string) => ({ name, uid: name, resourceVersion: "1", generation: 1, creationTimestamp: "", deletionTimestamp: "", finalizers: [], labels: {}, annotations: {}, ownerReferences: [] }); // prettier-ignore

function volume(name: string, spec: object, status: object): Resource<"Volume"> {
  return { kind: "Volume", metadata: metadata(name), spec: checkSpec("Volume", name, { size: "1024", numberOfReplicas: 1, ...spec }), status: checkStatus("Volume", name, { state: "attached", ...status }) }; // prettier-ignore
}

function engine(status: object, spec: object = {}): Resource<"Engine"> {
  return { kind: "Engine", metadata: metadata("e"), spec: checkSpec("Engine", "e", spec), status: checkStatus("Engine", "e", { replicaModeMap: { r: "RW" }, ...status }) }; // prettier-ignore
}

const snapshot = (name: string, usercreated: boolean, removed = false): EngineSnapshot => ({ ...emptyHead(), name, usercreated, removed }); // prettier-ignore

/** What a head lies on. */
const chain = (below: EngineSnapshot) => ({ [below.name]: below, "volume-head": { ...emptyHead(), parent: below.name } }); // prettier-ignore

const initiated = { state: "initiated", sourceVolume: "from", snapshot: "s", attemptCount: 0, nextAllowedAttemptAt: "" }; // prettier-ignore

function world(target: Partial<CloneEnd>, changes: Partial<CloneWorld> = {}, cloneStatus: object = initiated): CloneWorld {
  return {
    now: NOW,
    target: { volume: volume("to", { dataSource: "snap://from/s" }, { cloneStatus }), engine: engine({}, { disableFrontend: true }), snapshots: { "volume-head": emptyHead() }, ...target },
    source: { volume: volume("from", {}, {}), engine: engine({}), snapshots: chain(snapshot("s", true)) },
    snapshotError: "",
    copy: { is: "none" },
    ...changes,
  };
} // prettier-ignore

t.test("copies are asked for when both serve, and never into what somebody may have written to", (t) => {
  t.equal(decideClone(world({})).copies, true);
  t.equal(decideClone(world({ engine: engine({}, { disableFrontend: false }) })).copies, false);
  t.equal(decideClone(world({ engine: engine({ replicaModeMap: { r: "WO" } }) })).copies, false);
  t.equal(decideClone(world({}, { copy: { is: "running" } })).copies, false);
  const underWay = { isCloning: true, error: "", fromReplicaAddress: "", progress: 1, snapshotName: "s", state: "in_progress" }; // prettier-ignore
  const busy = engine({ cloneStatus: { r: underWay } }, { disableFrontend: true });
  t.equal(decideClone(world({ engine: busy })).copies, false, "one that another manager has asked for");
  t.match(decideClone(world({ engine: busy, snapshots: chain(snapshot("s", false)) })).status, { state: "initiated" }); // prettier-ignore
  t.equal(decideClone(world({}, {}, { ...initiated, state: "completed" })).copies, false);
  t.end();
});

t.test("a copy is whole when the target's head lies on it, and not on what somebody called the same", (t) => {
  const whole = decideClone(world({ snapshots: chain(snapshot("s", false)) }));
  t.match(whole, { status: { state: "copy-completed-awaiting-healthy" }, holdsSource: false });
  t.equal(decideClone(world({ snapshots: chain(snapshot("s", true)) })).status.state, "initiated");
  const loose = { s: snapshot("s", false), "volume-head": emptyHead() };
  t.equal(decideClone(world({ snapshots: loose })).status.state, "initiated", "a file that nothing reads");
  t.equal(decideClone(world({ snapshots: chain(snapshot("s", false)) }, { copy: { is: "failed", why: "the answer was lost" } })).status.state, "copy-completed-awaiting-healthy"); // prettier-ignore
  t.end();
});

t.test("each attempt waits twice as long, and the tenth is the last", (t) => {
  const copy = { is: "failed", why: "no route" } as const;
  for (const [attemptCount, at] of [
    [0, "2030-01-01T00:00:30Z"],
    [1, "2030-01-01T00:01:00Z"],
    [8, "2030-01-01T02:08:00Z"],
  ] as const) {
    const plan = decideClone(world({}, { copy }, { ...initiated, attemptCount }));
    t.match(plan, { status: { state: "initiated", attemptCount: attemptCount + 1, nextAllowedAttemptAt: at }, holdsSource: false, holdsTarget: false }); // prettier-ignore
    t.equal(plan.lookAgainAt, Date.parse(at));
  }
  t.equal(decideClone(world({}, { copy }, { ...initiated, attemptCount: 9 })).status.state, "failed");
  const later = decideClone(world({}, {}, { ...initiated, nextAllowedAttemptAt: "2030-01-01T00:00:01Z" }));
  t.match(later, { copies: false, holdsTarget: false, lookAgainAt: NOW + 1_000 });
  t.end();
});

t.test("without a source of the same size and its snapshot there is nothing to be copied", (t) => {
  const fresh = { ...initiated, state: "", sourceVolume: "", snapshot: "" };
  t.equal(decideClone(world({}, {}, fresh)).status.state, "initiated");
  t.equal(decideClone(world({}, { source: null }, fresh)).status.state, "failed");
  const other = { volume: volume("from", { size: "2048" }, {}), engine: null, snapshots: null };
  t.equal(decideClone(world({}, { source: other }, fresh)).status.state, "failed");
  t.equal(decideClone(world({}, { source: other })).holdsSource, true, "it may grow when it is begun");
  const removed = { ...other, snapshots: chain(snapshot("s", true, true)) };
  t.equal(decideClone(world({}, { source: removed })).status.state, "failed");
  t.end();
});
