/** Observes, decides and applies, one volume at a time. */
import { randomBytes } from "node:crypto";
import type { Logger } from "pino";
import { Loop } from "../control/loop.js";
import { tellAs, type Events } from "../events/events.js";
import { isTrue } from "../objects/conditions.js";
import type { Resource } from "../objects/resource.js";
import { clusterOf } from "../schedule/cluster.js";
import { loadSettings } from "../settings/stored.js";
import type { Store } from "../store/store.js";
import type { AttachRequest } from "./attach.js";
import { decideVolume } from "./decide.js";
import { UPKEEPS } from "./upkeep.js";
import { setWorkTickets, workNode, workTicketId } from "./work-tickets.js";
import type { Plan, World } from "./world.js";

export function startVolumeLoop(store: Store, events: Events, log: Logger): Loop {
  const loop = new Loop("volume", store, (name) => reconcile(store, name, events), log);
  const all = async () => (await store.list("Volume")).map(({ metadata }) => metadata.name);
  return loop
    .follow("Volume", ({ metadata }) => [metadata.name])
    .follow("Engine", ({ spec }) => [spec.volumeName])
    .follow("Replica", ({ spec }) => [spec.volumeName])
    .follow("Witness", ({ spec }) => [spec.volumeName])
    .follow("Node", all)
    .follow("Setting", all);
}

async function reconcile(store: Store, name: string, events: Events): Promise<number | null> {
  const world = await observe(store, name);
  if (world === null) return null;
  const plan = decideVolume(world);
  await apply(store, plan);
  await setUpkeep(store, world, plan);
  const tell = tellAs(events, "longhorn-volume-controller");
  for (const event of plan.events) tell(plan.volume, event);
  return plan.lookAgainAt;
}

async function observe(store: Store, name: string): Promise<World | null> {
  const volume = await store.get("Volume", name);
  if (volume === null) return null;
  const [attachment, nodes, replicas, engines, witnesses, settings] = await Promise.all([
    store.get("VolumeAttachment", name),
    store.list("Node"),
    store.list("Replica"),
    store.list("Engine"),
    store.list("Witness"),
    loadSettings(store),
  ]);
  return {
    now: Date.now(),
    volume,
    engine: engines.find(({ spec }) => spec.volumeName === name) ?? null,
    replicas: replicas.filter(({ spec }) => spec.volumeName === name),
    witness: witnesses.find(({ spec }) => spec.volumeName === name) ?? null,
    cluster: clusterOf(nodes, replicas, settings),
    settings,
    reachable: new Set(
      nodes.filter(({ status }) => isTrue(status.conditions, "Ready")).map(({ metadata }) => metadata.name),
    ),
    rebuilding: rebuilding(engines, replicas),
    held: new Set(UPKEEPS.filter((type) => attachment?.spec.attachmentTickets[workTicketId(type, name)] !== undefined)), // prettier-ignore
    newSuffix: () => randomBytes(4).toString("hex"),
  };
}

function rebuilding(
  engines: readonly Resource<"Engine">[],
  replicas: readonly Resource<"Replica">[],
): Map<string, number> {
  const nodeOf = new Map(replicas.map(({ metadata, spec }) => [metadata.name, spec.nodeID]));
  const counts = new Map<string, number>();
  for (const { status } of engines)
    for (const [replica, mode] of Object.entries(status.replicaModeMap)) {
      const node = nodeOf.get(replica);
      if (mode === "WO" && node !== undefined) counts.set(node, (counts.get(node) ?? 0) + 1);
    }
  return counts;
}

/** What is begun is stored before what follows from it: a crash in between is decided about anew. */
async function apply(store: Store, plan: Plan): Promise<void> {
  const { volume, engine, replicas, witness, created, deleted } = plan;
  for (const replica of replicas) await store.update(replica);
  if (witness !== null) await store.update(witness);
  if (engine !== null) await store.update(engine);
  for (const object of created) await store.create(object);
  const stored = await store.updateStatus(volume);
  for (const { kind, metadata } of deleted) await store.delete(kind, metadata.name, metadata.uid);
  const { finalizers } = volume.metadata;
  if (finalizers.length < stored.metadata.finalizers.length)
    await store.update({ ...stored, metadata: { ...stored.metadata, finalizers } });
}

async function setUpkeep(store: Store, { held }: World, { volume, replicas, upkeep }: Plan): Promise<void> {
  if (held.size === 0 && upkeep.length === 0) return;
  const { name } = volume.metadata;
  const ours = new Set(UPKEEPS.map((type) => workTicketId(type, name)));
  const nodeID = upkeep.length === 0 ? null : workNode(volume, replicas, await store.list("Node"));
  const wanted =
    nodeID === null
      ? []
      : upkeep.map((type): AttachRequest => ({
          id: workTicketId(type, name),
          type,
          nodeID,
          disableFrontend: type === "volume-expansion-controller" ? false : "any",
          attachedBy: "",
        }));
  await setWorkTickets(store, volume, (id) => ours.has(id), wanted);
}
