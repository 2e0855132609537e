/** One engine: a volume taken over from its replicas, served as an iSCSI target, and watched. */
import { randomUUID } from "node:crypto";
import type { Logger } from "pino";
import { Target, Volume } from "../native/index.js";
import { readBootId } from "./boot-id.js";
import { nextEngineState, type EngineEvent, type EngineState } from "./engine-state.js";
import { formatHostPort, type HostPort } from "./host-port.js";
import { MEMBERS_WAIT_MS } from "./limits.js";
import type { EngineOptions } from "./options.js";
import { ReplicaLink } from "./replica-link.js";
import type { Health } from "./health.js";
import { ReplicaSet, type ReplicaView } from "./replica-set.js";
import { SettleLoop } from "./settle-loop.js";
import { takeOver } from "./takeover.js";
import { IscsiTarget, type SessionInfo } from "./target/target.js";
import type { VolumeStats } from "../native/index.js";

/** As Longhorn names its targets, so that initiators find a volume again. */
const IQN_PREFIX = "iqn.2019-10.io.longhorn:";
export const LUN = 1;

/** An address cannot be listened on. */
export class ListenError extends Error {
  override readonly name = "ListenError";
}

interface Serving {
  volume: Volume;
  replicas: ReplicaSet;
  target: IscsiTarget;
  settling: SettleLoop;
}

export class Engine {
  readonly id = randomUUID();
  readonly iqn: string;
  readonly #abort = new AbortController();
  #state: EngineState = { name: "starting" };
  #portals: HostPort[] = [];
  #serving: Serving | null = null;
  #links: ReplicaLink[] = [];

  /** @param onFenced called once when another engine has taken over: nothing is left to do but end */
  constructor(
    readonly options: EngineOptions,
    private readonly onFenced: (reason: string) => void,
    private readonly log: Logger,
  ) {
    this.iqn = IQN_PREFIX + options.volume.replaceAll("_", ":");
  }

  get state(): EngineState {
    return this.#state;
  }

  /** Resolves when initiators can log in.
   * @throws {MembershipError | ListenError} */
  async start(): Promise<void> {
    const { options, log } = this;
    const engineBootId = readBootId(options.bootIdFile);
    this.#links = options.replicas.map((address) => new ReplicaLink(address));
    const takeover = await takeOver({
      wanted: { volume: options.volume, size: options.size, salvage: options.salvage },
      links: this.#links,
      engineId: this.id,
      engineBootId,
      waitMs: MEMBERS_WAIT_MS,
      onWait: (evidence) => this.#apply({ type: "waited", reason: evidence }),
      signal: this.#abort.signal,
      log,
    });
    const { size, replicaTimeoutMs, acceptLostWrites } = options;
    const volume = new Volume({ size, replicaTimeoutMs }, (event) => replicas.onVolumeEvent(event));
    const early: Health[] = [];
    let onHealth = (health: Health) => {
      early.push(health);
    };
    const replicas = new ReplicaSet(volume, {
      takeover,
      size,
      rules: { engineBootId, acceptLostWrites },
      onHealth: (health) => onHealth(health),
      log,
    });
    await replicas.start();
    const target = this.#createTarget(volume, replicas);
    this.#serving = { volume, replicas, target, settling: new SettleLoop(volume, replicas, log) };
    try {
      this.#portals = await target.start(options.portals);
    } catch (error) {
      const portals = options.portals.map(formatHostPort).join(", ");
      throw new ListenError(`cannot listen on ${portals}: ${(error as Error).message}`, { cause: error });
    }
    // Only now: replicas are ready before initiators can get at them.
    onHealth = (health) => this.#onHealth(health);
    for (const health of early) this.#onHealth(health);
  }

  #createTarget(volume: Volume, replicas: ReplicaSet): IscsiTarget {
    const { options, iqn } = this;
    return new IscsiTarget(
      {
        iqn,
        volume: options.volume,
        lun: LUN,
        logicalBlockSize: options.logicalBlockSize,
        size: options.size,
        acl: options.allowedInitiators,
        chap: options.chap,
        portals: [],
        savedReservations: replicas.engineState.length > 0 ? replicas.engineState : null,
      },
      {
        createTarget: (targetOptions, onEvent) => new Target(volume, targetOptions, onEvent),
        extents: (offset, length) => volume.extents(null, offset, length),
        flush: () => volume.flush(null),
        persist: (bytes) => replicas.saveEngineState(bytes),
        log: this.log,
      },
    );
  }

  /** Lets initiators log out, makes everything durable, and tells the replicas so.
   * @returns whether the next start has nothing to compare */
  async stop(): Promise<boolean> {
    this.#apply({ type: "stopped" });
    this.#abort.abort();
    if (this.#serving === null) return true;
    const { volume, replicas, target, settling } = this.#serving;
    settling.stop();
    await target.shutdown();
    const clean = await replicas.stop();
    await volume.close();
    this.#closeLinks();
    return clean;
  }

  #closeLinks(): void {
    this.#serving?.replicas.close();
    for (const link of this.#links) link.close();
  }

  get iscsiUrl(): string {
    const portal = this.#portals[0];
    return portal === undefined ? "" : `iscsi://${formatHostPort(portal)}/${this.iqn}/${LUN}`;
  }

  get portals(): string[] {
    return this.#portals.map(formatHostPort);
  }

  get generation(): number {
    return this.#serving?.replicas.generation ?? 0;
  }

  replicas(): ReplicaView[] {
    const connecting = (address: string): ReplicaView => ({
      address,
      replicaId: "",
      state: { mode: "CONNECTING" },
      directory: "",
      slot: null,
    });
    return this.#serving?.replicas.replicas() ?? this.options.replicas.map(connecting);
  }

  sessions(): SessionInfo[] {
    return this.#serving?.target.sessions() ?? [];
  }

  stats(): VolumeStats | null {
    return this.#serving?.volume.stats() ?? null;
  }

  #onHealth(health: Health): void {
    const before = this.#state;
    this.#apply(health);
    if (health.type === "fenced" && before.name !== "fenced" && before.name !== "stopping")
      this.onFenced(health.reason);
  }

  #apply(event: EngineEvent): void {
    const before = this.#state;
    const after = nextEngineState(before, event);
    this.#state = after;
    if (before.name === after.name) return;
    this.log.info(
      { from: before.name, to: after.name, reason: "reason" in after ? after.reason : null },
      "engine state changed",
    );
  }
}
