/** Makes volumes that are to be copies of others. */
import type { Logger } from "pino";
import { formatTime } from "../../engine/timestamp.js";
import { errorText } from "../../proto/rpc-error.js";
import { Loop } from "../control/loop.js";
import { tellAs, type Events, type Tell } from "../events/events.js";
import { noted } from "../objects/conditions.js";
import { FINALIZER, isDeleted, type Resource } from "../objects/resource.js";
import type { EngineOperations } from "../operations.js";
import { areKnown } from "../snapshot/decide.js";
import { StoreError, type Store } from "../store/store.js";
import { CLONE_TICKET_TYPE, cloneSource } from "../volume/cloning.js";
import { ownLabels } from "../volume/objects.js";
import { setWorkTickets, workNode, workTicketId } from "../volume/work-tickets.js";
import { decideClone, type CloneEnd, type ClonePlan, type CloneWorld } from "./decide.js";
import { WAIT_PERIOD_MS } from "./limits.js";

type Volume = Resource<"Volume">;

/** Label of the snapshot that is made to be copied: into what. */
const CLONED_INTO = "longhorn.io/for-cloning-volume";

export function startCloneLoop(store: Store, engines: EngineOperations, events: Events, log: Logger): Loop {
  const rounds = new Rounds(store, engines, tellAs(events, "longhorn-volume-controller"), (name) => loop.add(name)); // prettier-ignore
  const loop = new Loop("clone", store, (name) => rounds.reconcile(name), log);
  return loop
    .follow("Volume", (volume) => rounds.concerned(volume))
    .follow("Engine", ({ spec }) => rounds.clonesOf(spec.volumeName))
    .follow("Snapshot", ({ spec }) => rounds.clonesOf(spec.volume));
}

class Rounds {
  /** by target: the volume that it is a copy of */
  readonly #sources = new Map<string, string>();
  readonly #copies = new Map<string, CloneWorld["copy"]>();

  constructor(
    private readonly store: Store,
    private readonly engines: EngineOperations,
    private readonly tell: Tell,
    private readonly onCopied: (target: string) => void,
  ) {}

  concerned({ metadata, spec }: Volume): string[] {
    const source = cloneSource(spec.dataSource);
    const others = this.clonesOf(metadata.name);
    if (source === null) return others;
    this.#sources.set(metadata.name, source.volume);
    return [metadata.name, ...others];
  }

  /** Targets, and the volume itself if it is one. */
  clonesOf(volume: string): string[] {
    const isConcerned = ([target, source]: [string, string]) => source === volume || target === volume;
    return [...this.#sources].filter(isConcerned).map(([target]) => target);
  }

  async reconcile(name: string): Promise<number | null> {
    const { store } = this;
    const volume = await store.get("Volume", name);
    const source = this.#sources.get(name) ?? "";
    if (volume === null || isDeleted(volume)) {
      await this.#hold(await store.get("Volume", source), name, false);
      await this.#forgetSnapshot(name);
      if (volume === null) {
        this.#sources.delete(name);
        this.#copies.delete(name);
      }
      return null;
    }
    let world = await this.#observe(volume, source);
    let plan = decideClone(world);
    if (plan.copies) {
      // What the target's object says may be older than what the target has done since.
      const { engine } = world.target;
      if (engine === null) return null;
      world = { ...world, target: { ...world.target, snapshots: await this.engines.listSnapshots(engine) } };
      plan = decideClone(world);
    }
    await this.#apply(world, plan);
    const isWaiting = plan.holdsSource || plan.holdsTarget || plan.status.state === "initiated";
    return plan.lookAgainAt ?? (isWaiting ? Date.now() + WAIT_PERIOD_MS : null);
  }

  async #observe(volume: Volume, sourceName: string): Promise<CloneWorld> {
    const source = await this.store.get("Volume", sourceName);
    const { snapshot } = volume.status.cloneStatus;
    const object = snapshot === "" ? null : await this.store.get("Snapshot", snapshot);
    return {
      now: Date.now(),
      target: await this.#end(volume),
      source: source === null ? null : await this.#end(source),
      snapshotError: object?.spec.volume === sourceName ? object.status.error : "",
      copy: this.#copies.get(volume.metadata.name) ?? { is: "none" },
    };
  }

  async #end(volume: Volume): Promise<CloneEnd> {
    const [engine = null] = await this.store.list("Engine", ownLabels(volume.metadata.name));
    const { currentState = "", snapshots = {}, snapshotsError = "" } = engine?.status ?? {};
    const hasSaid = areKnown(snapshots) && snapshotsError === "";
    const isServing = volume.status.state === "attached" && currentState === "running" && hasSaid;
    return { volume, engine, snapshots: isServing ? snapshots : null };
  }

  async #apply({ target, source }: CloneWorld, plan: ClonePlan): Promise<void> {
    const { volume } = target;
    const { name } = volume.metadata;
    const now = formatTime(Date.now());
    const isOpen = !["completed", "failed"].includes(plan.status.state);
    const condition = {
      type: "Clone",
      status: isOpen ? "True" : "False",
      reason: isOpen ? "CloneInProgress" : plan.status.state === "failed" ? "CloneFailure" : "",
      message: plan.message,
    };
    const { conditions } = volume.status;
    const before = conditions.find(({ type }) => type === "Clone");
    // One that has failed says why for as long as it is there.
    if (before?.status !== "False") volume.status.conditions = noted(condition, conditions, now);
    volume.status.cloneStatus = plan.status;
    await this.store.updateStatus(volume);
    if (this.#copies.get(name)?.is === "failed") this.#copies.delete(name);
    if (plan.event !== null) this.tell(volume, plan.event);
    await this.#hold(source?.volume ?? null, name, plan.holdsSource);
    await this.#hold(volume, name, plan.holdsTarget);
    if (plan.wantsSnapshot && source !== null) await this.#makeSnapshot(source.volume, name, plan.status.snapshot); // prettier-ignore
    if (plan.copies && source?.engine != null && target.engine !== null)
      this.#copy(name, target.engine, source.engine, plan.status.snapshot);
  }

  async #hold(volume: Volume | null, target: string, holds: boolean): Promise<void> {
    const { store } = this;
    if (volume === null || isDeleted(volume)) return;
    const { name } = volume.metadata;
    const id = workTicketId(CLONE_TICKET_TYPE, target);
    const nodeID = holds
      ? workNode(volume, await store.list("Replica", ownLabels(name)), await store.list("Node"))
      : null;
    const disableFrontend = name === target ? true : ("any" as const);
    const wanted = nodeID === null ? [] : [{ id, type: CLONE_TICKET_TYPE, nodeID, disableFrontend, attachedBy: "" }]; // prettier-ignore
    await setWorkTickets(store, volume, (one) => one === id, wanted);
  }

  async #makeSnapshot({ metadata }: Volume, target: string, name: string): Promise<void> {
    const object = {
      kind: "Snapshot" as const,
      name,
      finalizers: [FINALIZER],
      labels: ownLabels(metadata.name),
      ownerReferences: [{ kind: "Volume" as const, name: metadata.name, uid: metadata.uid }],
      spec: {
        createSnapshot: true,
        volume: metadata.name,
        labels: { [CLONED_INTO]: target },
      },
    };
    await this.store.create(object).catch((error: unknown) => {
      if (!(error instanceof StoreError) || error.code !== "EXISTS") throw error;
    });
  }

  /** One that could not be taken yet would have the source attached for it. */
  async #forgetSnapshot(target: string): Promise<void> {
    for (const { metadata, spec, status } of await this.store.list("Snapshot"))
      if (spec.labels[CLONED_INTO] === target && status.creationTime === "")
        await this.store.delete("Snapshot", metadata.name, metadata.uid);
  }

  /** The end is not waited for: a manager that ends before leaves the copy to the engines, and finds it by what they say. */
  #copy(name: string, target: Resource<"Engine">, source: Resource<"Engine">, snapshot: string): void {
    this.#copies.set(name, { is: "running" });
    this.engines.cloneSnapshot(target, source, snapshot).then(
      () => this.#ended(name, { is: "none" }),
      (error: unknown) => this.#ended(name, { is: "failed", why: errorText(error) }),
    );
  }

  #ended(name: string, copy: CloneWorld["copy"]): void {
    if (!this.#copies.has(name)) return;
    this.#copies.set(name, copy);
    this.onCopied(name);
  }
}
