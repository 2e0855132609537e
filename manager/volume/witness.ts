/**
 * Where a volume's witness is: on a node without a copy, so that whichever node is lost the others can prove which copies are
 * current, and go on. Without such a node three voters are it together, beside copies; with copies on fewer than three nodes
 * there is none.
 */
import { isFalse, noted, without, WITNESSED } from "../objects/conditions.js";
import { FINALIZER, isDeleted, type NewResource, type Resource } from "../objects/resource.js";
import type { ClusterNode, Disk } from "../schedule/cluster.js";
import type { Draft } from "./draft.js";
import { isLeftOut, noteLeftOut } from "./left-out.js";
import { hasFailed } from "./modes.js";
import { ownLabels } from "./objects.js";
import { addressOf } from "./serving.js";
import { parseTime } from "./time.js";

/** When it was last seen to have failed, RFC 3339. */
const FAILED_AT = "aurochs.io/failed-at";
const RESTART_MS = 10_000;
const NO_NODE =
  "there is no node without a copy that could hold a witness, nor are there three with copies that could hold its voters";
const MOVES = "the engine has not taken in the witness that there is now";
/** of three one may be lost, as of the copies */
const VOTERS = 3;

type Witness = Resource<"Witness">;

export function keepWitness(draft: Draft): void {
  const { witnesses, world } = draft;
  // One that goes is gone before another one comes: an engine is given one.
  if (world.witnesses.some(isDeleted)) {
    for (const witness of witnesses) draft.delete(witness);
    return;
  }
  const best = bestPlaces(draft);
  if (witnesses.length === 0) {
    for (const place of best) draft.create(newWitness(draft, place, best.length > 1));
    return;
  }
  if (!mayStay(draft, witnesses, best)) {
    for (const witness of witnesses) draft.delete(witness);
    return;
  }
  const isUsed = [...draft.replicas, ...draft.going].some(({ spec }) => spec.desireState === "running");
  for (const witness of witnesses) {
    if (witness.status.currentState === "error") witness.metadata.annotations[FAILED_AT] = draft.now;
    // On a disk that is lost it would begin anew, as another one.
    const mayRun = !draft.isOnLostDisk(witness) && !hasToWait(draft, witness);
    witness.spec.desireState = isUsed && mayRun ? "running" : "stopped";
  }
}

/** Whether the volume can do without any node of those that it is on, while it is used. */
export function noteWitness({ volume, witnesses, engine, created, now }: Draft): void {
  const { status } = volume;
  const told = engine?.status.conditions.find(({ type }) => type === WITNESSED);
  if (!isWanted(volume) || engine?.status.currentState !== "running")
    status.conditions = without(status.conditions, WITNESSED);
  else if (witnesses.length === 0 && !created.some(({ kind }) => kind === "Witness"))
    status.conditions = noted({ type: WITNESSED, status: "False", reason: "NoNode", message: NO_NODE }, status.conditions, now); // prettier-ignore
  else if (told?.status === "True" && !isOf(told.message, witnesses))
    status.conditions = noted({ type: WITNESSED, status: "False", reason: "WitnessMoves", message: MOVES }, status.conditions, now); // prettier-ignore
  else if (told !== undefined) status.conditions = noted(told, status.conditions, now);
}

/** What an engine says is of the witness that it knew then, which another one may have replaced. */
function isOf(addresses: string, witnesses: readonly Witness[]): boolean {
  const known = addresses.split(",");
  const those = witnesses.filter((witness) => known.includes(addressOf(witness)));
  return those.length * 2 > witnesses.length;
}

/** One that failed is started again after a while. */
export function hasToWait(draft: Draft, { metadata }: Witness): boolean {
  const at = parseTime(metadata.annotations[FAILED_AT] ?? "") + RESTART_MS;
  if (draft.world.now >= at) return false;
  draft.lookAgain(at);
  return true;
}

/** It is there as a whole: one, or all voters. */
export function isComplete(witnesses: readonly Witness[]): boolean {
  return witnesses.length === (witnesses.some(({ spec }) => spec.voter) ? VOTERS : 1);
}

/** Where it is it stays, as long as that is of any use: the record that it holds is worth more than a better place. */
function mayStay(draft: Draft, witnesses: readonly Witness[], best: readonly Place[]): boolean {
  if (!isWanted(draft.volume)) return false;
  // A manager that ended has not made all of them.
  if (!isComplete(witnesses) || isStuck(draft, witnesses)) return false;
  return best.length === 0 || witnesses.every((witness) => isOfUse(draft, witness));
}

/** The engine could take it in for a while, and has not: one of the voters has lost its directory, and is another one, or none of them can
 * store anything. What it holds is nobody's record then. */
function isStuck(draft: Draft, witnesses: readonly Witness[]): boolean {
  const couldBe = couldBeTakenIn(draft, witnesses);
  for (const witness of witnesses) noteLeftOut(draft, witness, couldBe);
  return witnesses.every((witness) => isLeftOut(draft, witness));
}

/** All that it takes is there, and the engine says that it is no member. */
function couldBeTakenIn({ engine }: Draft, witnesses: readonly Witness[]): boolean {
  const { currentState, conditions = [], replicaModeMap = {} } = engine?.status ?? {};
  const modes = Object.values(replicaModeMap);
  return (
    currentState === "running" &&
    isFalse(conditions, WITNESSED) &&
    modes.length > 1 &&
    modes.every((mode) => mode === "RW") &&
    witnesses.every(({ status }) => status.currentState === "running")
  );
}

/** A node that is down comes back; while the volume is used its engine goes on without the witness. */
function isOfUse({ world, replicas }: Draft, { spec }: Witness): boolean {
  const node = world.cluster.nodes.find(({ name }) => name === spec.nodeID);
  const disk = node?.disks.find(({ uuid }) => uuid === spec.diskID);
  if (node === undefined || disk === undefined || node.evicting || disk.evicting) return false;
  return spec.voter || !replicas.some((one) => one.spec.nodeID === spec.nodeID && !hasFailed(one));
}

function isWanted({ spec }: Resource<"Volume">): boolean {
  return spec.numberOfReplicas > 1 && spec.dataLocality !== "strict-local";
}

interface Place {
  node: ClusterNode;
  disk: Disk;
}

/** @returns one for a witness, several for its voters, or none */
function bestPlaces({ volume, world, replicas, created }: Draft): Place[] {
  if (!isWanted(volume) || replicas.length < volume.spec.numberOfReplicas) return [];
  const added = created.map(({ spec }) => (spec as { nodeID?: string }).nodeID ?? "");
  const copies = new Set(replicas.filter((one) => !hasFailed(one)).map(({ spec }) => spec.nodeID));
  const taken = new Set([...replicas.map(({ spec }) => spec.nodeID), ...added]);
  const places = world.cluster.nodes
    .filter(({ refusal }) => refusal === null)
    .flatMap((node) => {
      const disk = node.disks.find(({ refusal }) => refusal === null);
      return disk === undefined ? [] : [{ node, disk }];
    });
  // Volumes differ in where they begin, so that witnesses spread.
  const inTurn = (some: readonly Place[], count: number) => {
    const first = some.length === 0 ? 0 : hash(volume.metadata.name) % some.length;
    return [...some.slice(first), ...some.slice(0, first)].slice(0, count);
  };
  const free = places.filter(({ node }) => !taken.has(node.name));
  if (free.length > 0) return inTurn(free, 1);
  const beside = places.filter(({ node }) => copies.has(node.name));
  return beside.length < VOTERS ? [] : inTurn(beside, VOTERS);
}

function hash(text: string): number {
  let value = 0;
  for (const character of text) value = (value * 31 + (character.codePointAt(0) ?? 0)) % 1_000_003;
  return value;
}

function newWitness({ volume, world }: Draft, { node, disk }: Place, voter: boolean): NewResource<"Witness"> {
  const { name, uid } = volume.metadata;
  const suffix = world.newSuffix();
  return {
    kind: "Witness",
    name: `${name}-w-${suffix}`,
    finalizers: [FINALIZER],
    labels: { ...ownLabels(name), longhornnode: node.name },
    ownerReferences: [{ kind: "Volume", name, uid }],
    spec: {
      ...{ volumeName: name, nodeID: node.name, diskID: disk.uuid, diskPath: disk.path, voter },
      ...{ dataDirectoryName: `${name}-w-${suffix}`, desireState: "stopped", image: volume.spec.image },
    },
  };
}
