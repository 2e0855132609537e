/**
 * Where a volume's witness is: on a node without a copy, so that whichever node is lost the others can prove which copies are
 * current, and go on. Without such a node there is none.
 */
import { noted, without, WITNESSED } from "../objects/conditions.js";
import { FINALIZER, isDeleted, type NewResource, type Resource } from "../objects/resource.js";
import type { ClusterNode, Disk } from "../schedule/cluster.js";
import type { Draft } from "./draft.js";
import { hasFailed } from "./modes.js";
import { ownLabels } from "./objects.js";
import { parseTime } from "./time.js";

/** When it was last seen to have failed, RFC 3339. */
const FAILED_AT = "aurochs.io/failed-at";
const RESTART_MS = 10_000;
const NO_NODE = "there is no node without a copy that could hold a witness";

export function keepWitness(draft: Draft): void {
  const { witness, world } = draft;
  // One that goes is gone before another one comes: an engine is given one.
  if (world.witness !== null && isDeleted(world.witness)) return;
  const best = bestPlace(draft);
  if (witness === null) {
    if (best !== null) draft.create(newWitness(draft, best));
    return;
  }
  if (!mayStay(draft, witness, best)) {
    draft.delete(witness);
    return;
  }
  if (witness.status.currentState === "error") witness.metadata.annotations[FAILED_AT] = draft.now;
  const isUsed = draft.replicas.some(({ spec }) => spec.desireState === "running");
  witness.spec.desireState = isUsed && !hasToWait(draft, witness) ? "running" : "stopped";
}

/** Whether the volume can do without any node of those that it is on, while it is used. */
export function noteWitness({ volume, witness, engine, created, now }: Draft): void {
  const { status } = volume;
  const told = engine?.status.conditions.find(({ type }) => type === WITNESSED);
  if (!isWanted(volume) || engine?.status.currentState !== "running")
    status.conditions = without(status.conditions, WITNESSED);
  else if (witness === null && !created.some(({ kind }) => kind === "Witness"))
    status.conditions = noted({ type: WITNESSED, status: "False", reason: "NoNode", message: NO_NODE }, status.conditions, now); // prettier-ignore
  else if (told !== undefined) status.conditions = noted(told, status.conditions, now);
}

/** One that failed is started again after a while. */
export function hasToWait(draft: Draft, { metadata }: Resource<"Witness">): boolean {
  const at = parseTime(metadata.annotations[FAILED_AT] ?? "") + RESTART_MS;
  if (draft.world.now >= at) return false;
  draft.lookAgain(at);
  return true;
}

/** Where it is it stays, as long as that is of any use: the record that it holds is worth more than a better place. */
function mayStay(
  { volume, world, replicas }: Draft,
  { spec }: Resource<"Witness">,
  best: Place | null,
): boolean {
  if (!isWanted(volume)) return false;
  const node = world.cluster.nodes.find(({ name }) => name === spec.nodeID);
  const disk = node?.disks.find(({ uuid }) => uuid === spec.diskID);
  if (node === undefined || disk === undefined) return best === null;
  const isBeside = replicas.some((replica) => replica.spec.nodeID === spec.nodeID && !hasFailed(replica));
  const hasToGo = isBeside || node.evicting || disk.evicting;
  // A node that is down comes back; while the volume is used its engine goes on without the witness.
  return best === null || !hasToGo;
}

function isWanted({ spec }: Resource<"Volume">): boolean {
  return spec.numberOfReplicas > 1 && spec.dataLocality !== "strict-local";
}

interface Place {
  node: ClusterNode;
  disk: Disk;
}

function bestPlace({ volume, world, replicas, created }: Draft): Place | null {
  if (!isWanted(volume) || replicas.length < volume.spec.numberOfReplicas) return null;
  const added = created.map(({ spec }) => (spec as { nodeID?: string }).nodeID ?? "");
  const taken = new Set([...replicas.map(({ spec }) => spec.nodeID), ...added]);
  const places = world.cluster.nodes
    .filter(({ name, refusal }) => refusal === null && !taken.has(name))
    .flatMap((node) => {
      const disk = node.disks.find(({ refusal }) => refusal === null);
      return disk === undefined ? [] : [{ node, disk }];
    });
  // Volumes differ in where they begin, so that witnesses spread.
  const first = places.length === 0 ? 0 : hash(volume.metadata.name) % places.length;
  return places[first] ?? null;
}

function hash(text: string): number {
  let value = 0;
  for (const character of text) value = (value * 31 + (character.codePointAt(0) ?? 0)) % 1_000_003;
  return value;
}

function newWitness({ volume, world }: Draft, { node, disk }: Place): NewResource<"Witness"> {
  const { name, uid } = volume.metadata;
  const suffix = world.newSuffix();
  return {
    kind: "Witness",
    name: `${name}-w-${suffix}`,
    finalizers: [FINALIZER],
    labels: { ...ownLabels(name), longhornnode: node.name },
    ownerReferences: [{ kind: "Volume", name, uid }],
    spec: {
      ...{ volumeName: name, nodeID: node.name, diskID: disk.uuid, diskPath: disk.path },
      ...{ dataDirectoryName: `${name}-w-${suffix}`, desireState: "stopped", image: volume.spec.image },
    },
  };
}
