/** A plan in the making: copies of all objects, to be changed by one rule after the other. */
import { isDeleted, type Resource } from "../objects/resource.js";
import { formatTime } from "../../engine/timestamp.js";
import { counts } from "./forced-salvage.js";
import { isToBeRecorded } from "./removal.js";
import type { Upkeep } from "./upkeep.js";
import type { Plan, VolumeEvent, World } from "./world.js";

/** The engine has a copy that readers can be given, which may be one that is to go. */
export function isReadable(engine: Resource<"Engine"> | null): boolean {
  const { currentState, replicaModeMap } = engine?.status ?? {};
  return currentState === "running" && Object.values(replicaModeMap ?? {}).includes("RW");
}

export class Draft {
  readonly volume: Resource<"Volume">;
  readonly engine: Resource<"Engine"> | null;
  /** that stay, and are no more left behind by a salvage */
  replicas: Resource<"Replica">[];
  /** by a salvage; those that stay */
  leftBehind: readonly Resource<"Replica">[];
  /** that are deleted, and are to stay until an engine has recorded that it goes on without them */
  readonly going: readonly Resource<"Replica">[];
  /** that stay */
  witnesses: Resource<"Witness">[];
  readonly #created: Plan["created"] = [];
  readonly #deleted: Resource[] = [];
  upkeep: Upkeep[] = [];
  readonly #events: VolumeEvent[] = [];
  #lookAgainAt: number | null = null;

  constructor(readonly world: World) {
    this.volume = structuredClone(world.volume);
    this.engine = structuredClone(world.engine);
    this.witnesses = structuredClone(world.witnesses.filter((witness) => !isDeleted(witness)));
    const replicas = structuredClone(world.replicas.filter((replica) => !isDeleted(replica)));
    this.going = structuredClone(world.replicas.filter((one) => isDeleted(one) && isToBeRecorded(one, world.volume))); // prettier-ignore
    this.replicas = replicas.filter((replica) => counts(replica, world.volume));
    this.leftBehind = replicas.filter((replica) => !counts(replica, world.volume));
  }

  /** RFC 3339 */
  get now(): string {
    return formatTime(this.world.now);
  }

  get settings(): World["settings"] {
    return this.world.settings;
  }

  /** That were made in this round. */
  get created(): readonly Plan["created"][number][] {
    return this.#created;
  }

  /** Replicas that readers can be given, as the engine says, if it runs. */
  inMode(mode: "RW" | "WO" | "ERR"): Resource<"Replica">[] {
    const modes = this.engine?.status.currentState === "running" ? this.engine.status.replicaModeMap : {};
    return this.replicas.filter(({ metadata }) => modes[metadata.name] === mode);
  }

  get isReadable(): boolean {
    return isReadable(this.engine);
  }

  /** Its node answers, and its disk is there. */
  isThere(replica: Resource<"Replica">): boolean {
    return this.world.reachable.has(replica.spec.nodeID) && !this.isOnLostDisk(replica);
  }

  /** By what its node tells, which answers. */
  isOnLostDisk({ spec }: Resource<"Replica"> | Resource<"Witness">): boolean {
    const { reachable, cluster } = this.world;
    if (!reachable.has(spec.nodeID)) return false;
    const node = cluster.nodes.find(({ name }) => name === spec.nodeID);
    return node?.disks.some(({ uuid, isLost }) => isLost && uuid === spec.diskID) ?? false;
  }

  create(object: Plan["created"][number]): void {
    this.#created.push(object);
  }

  /** No rule has to do with it any more. */
  leave(replica: Resource<"Replica">): void {
    this.replicas = this.replicas.filter((one) => one !== replica);
    this.leftBehind = [...this.leftBehind, replica];
  }

  /** It is gone when what it stands for is: a process stopped, a directory removed. */
  delete(object: Resource): void {
    this.#deleted.push(object);
    this.replicas = this.replicas.filter((replica) => replica !== object);
    this.leftBehind = this.leftBehind.filter((replica) => replica !== object);
    this.witnesses = this.witnesses.filter((witness) => witness !== object);
  }

  /** @param about null: the volume */
  event(
    type: VolumeEvent["type"],
    reason: string,
    message: string,
    about: VolumeEvent["about"] = null,
  ): void {
    // prettier-ignore
    this.#events.push({ about, type, reason, message });
  }

  lookAgain(at: number): void {
    this.#lookAgainAt = Math.min(at, this.#lookAgainAt ?? Infinity);
  }

  plan(): Plan {
    return {
      volume: this.volume,
      engine: this.engine,
      replicas: [...this.replicas, ...this.going, ...this.leftBehind],
      witnesses: this.witnesses,
      created: this.#created,
      deleted: this.#deleted,
      upkeep: this.upkeep,
      events: this.#events,
      lookAgainAt: this.#lookAgainAt,
    };
  }
}
