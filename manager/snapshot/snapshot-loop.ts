/** Keeps the Snapshot objects of a volume and the snapshots of its engine the same. */
import type { Logger } from "pino";
import { Loop } from "../control/loop.js";
import { tellAs, type Events, type Tell } from "../events/events.js";
import { isDeleted, type NewResource, type Resource } from "../objects/resource.js";
import { OperationError, type EngineOperations } from "../operations.js";
import { loadSettings } from "../settings/stored.js";
import { letGo, StoreError, type Store } from "../store/store.js";
import { isBeingCloned, isCloning } from "../volume/cloning.js";
import { ownLabels } from "../volume/objects.js";
import { setWorkTickets, workNode, workTicketId } from "../volume/work-tickets.js";
import { now } from "../../engine/timestamp.js";
import {
  areKnown,
  createdMessage,
  decideSnapshots,
  fail,
  type SnapshotPlan,
  type SnapshotWorld,
} from "./decide.js";
import { snapshotName, underOtherName } from "./name.js";
import { PURGE_PERIOD_MS, REFUSED_RETRY_MS } from "./limits.js";

type Engine = Resource<"Engine">;

const TICKET_TYPE = "snapshot-controller";
const SETTINGS = new Set(["auto-cleanup-system-generated-snapshot", "disable-snapshot-purge"]);

export function startSnapshotLoop(
  store: Store,
  engines: EngineOperations,
  events: Events,
  log: Logger,
): Loop {
  const rounds = new Rounds(store, engines, tellAs(events, "longhorn-snapshot-controller"));
  const loop = new Loop("snapshot", store, (volume) => rounds.reconcile(volume), log);
  const all = async () => (await store.list("Volume")).map(({ metadata }) => metadata.name);
  return loop
    .follow("Snapshot", ({ spec }) => [spec.volume])
    .follow("Engine", ({ spec }) => [spec.volumeName])
    .follow("Volume", ({ metadata }) => [metadata.name])
    .follow("Node", () => rounds.unserved)
    .follow("Setting", ({ metadata }) => (SETTINGS.has(metadata.name) ? all() : []));
}

class Rounds {
  /** volumes without an engine that runs, whose snapshots wait for one: which nodes are ready counts for them */
  readonly unserved = new Set<string>();
  /** ms since 1970, by volume: only a bound on how often a purge is asked for */
  readonly #purgedAt = new Map<string, number>();

  constructor(
    private readonly store: Store,
    private readonly engines: EngineOperations,
    private readonly tell: Tell,
  ) {}

  async reconcile(name: string): Promise<number | null> {
    const { store } = this;
    const volume = await store.get("Volume", name);
    const objects = (await store.list("Snapshot", ownLabels(name))).filter(
      ({ spec }) => spec.volume === name,
    );
    if (volume === null || isDeleted(volume)) {
      this.#purgedAt.delete(name);
      this.unserved.delete(name);
      for (const object of objects) await this.#release(object);
      return null;
    }
    // Of a volume that had the same name.
    const isOld = ({ metadata }: Resource<"Snapshot">) =>
      metadata.ownerReferences.some(({ uid }) => uid !== volume.metadata.uid);
    for (const object of objects.filter(isOld)) await this.#release(object);
    const [engine] = await store.list("Engine", ownLabels(name));
    if (engine === undefined) return null;
    const world = await this.#observe(
      volume,
      engine,
      objects.filter((object) => !isOld(object)),
    );
    let plan = decideSnapshots(world);
    // What an engine's object says may be older than what the engine has done since.
    if (world.isServing && asksForCare(plan))
      plan = decideSnapshots({ ...world, present: await this.engines.listSnapshots(engine) });
    return this.#apply(volume, engine, plan);
  }

  async #observe(
    volume: Resource<"Volume">,
    engine: Engine,
    objects: readonly Resource<"Snapshot">[],
  ): Promise<SnapshotWorld> {
    const settings = await loadSettings(this.store);
    const { status } = engine;
    const modes = Object.values(status.replicaModeMap);
    const hasSaid = areKnown(status.snapshots) && status.snapshotsError === "";
    return {
      now: now(),
      volume,
      present: status.snapshots,
      isServing: volume.status.state === "attached" && status.currentState === "running" && hasSaid && !isCloning(volume), // prettier-ignore
      isPurging: Object.values(status.purgeStatus).some(({ isPurging }) => isPurging),
      mayPurge: !settings.flag("disable-snapshot-purge") && modes.every((mode) => mode === "RW"),
      cleansSystem:
        settings.flag("auto-cleanup-system-generated-snapshot") && volume.status.robustness === "healthy",
      objects,
    };
  }

  async #apply(volume: Resource<"Volume">, engine: Engine, plan: SnapshotPlan): Promise<number | null> {
    const { store } = this;
    await this.#hold(volume, engine, plan);
    for (const object of plan.created) await this.#create(object);
    for (const object of plan.objects) await store.updateStatus(object);
    let again: number | null = null;
    for (const object of plan.take) again = (await this.#take(engine, object, plan)) ?? again;
    for (const { object, ...event } of plan.events) this.tell(object, event);
    for (const object of plan.released) await this.#release(object);
    for (const { metadata } of plan.deleted) await store.delete("Snapshot", metadata.name, metadata.uid);
    again = (await this.#mark(volume, engine, plan)) ?? again;
    if (plan.purge) again = await this.#purge(engine);
    return again;
  }

  async #create(object: NewResource<"Snapshot">): Promise<void> {
    const message = createdMessage(object.name);
    // Another volume's snapshot may have the name, or it is none for an object.
    for (const named of [object, underOtherName(object)])
      try {
        this.tell(await this.store.create(named), { type: "Normal", reason: "Create", message });
        return;
      } catch (error) {
        if (!(error instanceof StoreError) || !["EXISTS", "INVALID"].includes(error.code)) throw error;
        const there = await this.store.get("Snapshot", named.name);
        // Somebody has asked for it meanwhile.
        if (there?.spec.volume === object.spec.volume) return;
      }
  }

  /** An engine that runs for somebody needs no ticket; one that runs for us keeps it until the work is done. */
  async #hold(volume: Resource<"Volume">, engine: Engine, { waiting }: SnapshotPlan): Promise<void> {
    const { store } = this;
    const { name } = volume.metadata;
    const held = (await store.get("VolumeAttachment", name))?.spec.attachmentTickets ?? {};
    const isIdle = engine.status.currentState !== "running";
    // Noted before nodes are read: a change that comes later is followed.
    if (isIdle && waiting.length > 0) this.unserved.add(name);
    else this.unserved.delete(name);
    const ids = waiting
      .map(({ metadata }) => workTicketId(TICKET_TYPE, metadata.name))
      .filter((id) => isIdle || held[id] !== undefined);
    const nodeID =
      ids.length === 0
        ? null
        : workNode(volume, await store.list("Replica", ownLabels(name)), await store.list("Node"));
    const wanted = nodeID === null ? [] : ids.map((id) => ({ id, type: TICKET_TYPE, nodeID, disableFrontend: "any" as const, attachedBy: "" })); // prettier-ignore
    await setWorkTickets(store, volume, (id) => id.startsWith(`${TICKET_TYPE}-`), wanted);
  }

  async #take(engine: Engine, object: Resource<"Snapshot">, plan: SnapshotPlan): Promise<number | null> {
    try {
      await this.engines.createSnapshot(engine, snapshotName(object), object.spec.labels);
      return null;
    } catch (error) {
      if (!(error instanceof OperationError)) throw error;
      fail(plan, object, error.message);
      await this.store.updateStatus(object);
      return Date.now() + REFUSED_RETRY_MS;
    }
  }

  /** One whose content is being copied has to keep it until that is done: a purge would add to it. */
  async #mark(
    { metadata }: Resource<"Volume">,
    engine: Engine,
    { mark }: SnapshotPlan,
  ): Promise<number | null> {
    if (mark.length === 0) return null;
    const volumes = await this.store.list("Volume");
    const free = mark.filter((name) => !isBeingCloned(volumes, metadata.name, name));
    for (const name of free) await this.engines.deleteSnapshot(engine, name);
    return free.length < mark.length ? Date.now() + REFUSED_RETRY_MS : null;
  }

  async #purge(engine: Engine): Promise<number> {
    const { volumeName } = engine.spec;
    const next = (this.#purgedAt.get(volumeName) ?? -Infinity) + PURGE_PERIOD_MS;
    if (Date.now() < next) return next;
    this.#purgedAt.set(volumeName, Date.now());
    await this.engines.startPurge(engine);
    return Date.now() + PURGE_PERIOD_MS;
  }

  async #release(object: Resource<"Snapshot">): Promise<void> {
    const { store } = this;
    const { name, uid } = object.metadata;
    if (!isDeleted(object)) await store.delete("Snapshot", name, uid);
    const present = await store.get("Snapshot", name);
    if (present?.metadata.uid !== uid) return;
    await letGo(store, present);
  }
}

/** Something would be done that cannot be taken back, or not twice. */
function asksForCare({ created, deleted, released, take, mark, purge }: SnapshotPlan): boolean {
  return created.length + deleted.length + released.length + take.length + mark.length > 0 || purge;
}
