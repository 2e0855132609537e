/** Observes, decides and applies, one volume at a time. */
import { randomBytes } from "node:crypto";
import type { Logger } from "pino";
import { Loop } from "../control/loop.js";
import { tellAs, type Events, type Tell } from "../events/events.js";
import type { Resource } from "../objects/resource.js";
import type { Store } from "../store/store.js";
import type { AttachRequest } from "./attach.js";
import { decideVolume } from "./decide.js";
import { ownLabels } from "./objects.js";
import { Overview } from "./overview.js";
import { UPKEEPS } from "./upkeep.js";
import { setWorkTickets, workNode, workTicketId } from "./work-tickets.js";
import type { Plan, World } from "./world.js";

export function startVolumeLoop(store: Store, events: Events, log: Logger): Loop {
  const tell = tellAs(events, "longhorn-volume-controller");
  const overview = new Overview(store, () => loop.addAll(overview.volumes));
  const loop = new Loop("volume", store, (name) => reconcile(store, overview, name, tell), log);
  return loop
    .follow("Volume", ({ metadata }) => [metadata.name])
    .follow("Engine", ({ spec }) => [spec.volumeName])
    .follow("Replica", ({ spec }) => [spec.volumeName])
    .follow("Witness", ({ spec }) => [spec.volumeName])
    .alsoEnds(() => overview.end());
}

async function reconcile(store: Store, overview: Overview, name: string, tell: Tell): Promise<number | null> {
  await overview.synced;
  const own = await read(store, name);
  if (own === null) return null;
  // Nothing is awaited from here until it counts for others, too.
  const world = worldOf(own, overview);
  const plan = decideVolume(world);
  overview.note(world, plan);
  await apply(store, world.volume, plan);
  await setUpkeep(store, overview, world, plan);
  for (const { about, ...event } of plan.events) tell(about ?? plan.volume, event);
  return plan.lookAgainAt;
}

type Own = Pick<World, "volume" | "engine" | "replicas" | "witnesses" | "held">;

/** What is the volume's own is read now: what was just made is not made again. */
async function read(store: Store, name: string): Promise<Own | null> {
  const volume = await store.get("Volume", name);
  if (volume === null) return null;
  const [attachment, replicas, engines, witnesses] = await Promise.all([
    store.get("VolumeAttachment", name),
    store.list("Replica", ownLabels(name)),
    store.list("Engine", ownLabels(name)),
    store.list("Witness", ownLabels(name)),
  ]);
  const [engine = null] = engines;
  const tickets = attachment?.spec.attachmentTickets ?? {};
  const held = new Set(UPKEEPS.filter((type) => tickets[workTicketId(type, name)] !== undefined));
  return { volume, engine, replicas, witnesses, held };
}

function worldOf(own: Own, overview: Overview): World {
  const now = Date.now();
  const { settings, reachable } = overview;
  return {
    ...own,
    ...{ now, settings, reachable, rebuilding: overview.rebuilding(now) },
    cluster: overview.cluster(own.volume.metadata.name, own.replicas, settings),
    newSuffix: () => randomBytes(4).toString("hex"),
  };
}

/** What is begun is stored before what follows from it: a crash in between is decided about anew. */
async function apply(store: Store, before: Resource<"Volume">, plan: Plan): Promise<void> {
  const { volume, engine, replicas, witnesses, created, deleted } = plan;
  const { annotations } = volume.metadata;
  const marked = await store.update({ ...before, metadata: { ...before.metadata, annotations } });
  for (const replica of replicas) await store.update(replica);
  for (const witness of witnesses) await store.update(witness);
  if (engine !== null) await store.update(engine);
  for (const object of created) await store.create(object);
  const stored = await store.updateStatus({ ...volume, metadata: marked.metadata });
  for (const { kind, metadata } of deleted) await store.delete(kind, metadata.name, metadata.uid);
  const { finalizers } = volume.metadata;
  if (finalizers.length < stored.metadata.finalizers.length)
    await store.update({ ...stored, metadata: { ...stored.metadata, finalizers } });
}

async function setUpkeep(
  store: Store,
  overview: Overview,
  { held }: World,
  { volume, replicas, upkeep }: Plan,
): Promise<void> {
  if (held.size === 0 && upkeep.length === 0) return;
  const { name } = volume.metadata;
  const ours = new Set(UPKEEPS.map((type) => workTicketId(type, name)));
  const nodeID = upkeep.length === 0 ? null : workNode(volume, replicas, overview.nodes);
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
