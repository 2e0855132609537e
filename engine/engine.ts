/** One engine: a volume taken over from its replicas, served as an iSCSI target, and watched. */
import { randomUUID } from "node:crypto";
import type { Logger } from "pino";
import { AttachedVolume } from "./attached-volume.js";
import { readBootId } from "./boot-id.js";
import { nextEngineState, type EngineEvent, type EngineState } from "./engine-state.js";
import { formatHostPort, type HostPort } from "./host-port.js";
import { MEMBERS_WAIT_MS } from "./limits.js";
import type { EngineOptions } from "./options.js";
import type { Health } from "./health.js";
import type { ReplicaView } from "./replica-set.js";
import { createTarget, iqnOf, LUN } from "./volume-target.js";
import type { IscsiTarget, SessionInfo } from "./target/target.js";
import type { VolumeStats } from "../native/index.js";

/** An address cannot be listened on. */
export class ListenError extends Error {
  override readonly name = "ListenError";
}

interface Serving {
  attached: AttachedVolume;
  target: IscsiTarget;
}

export class Engine {
  readonly id = randomUUID();
  readonly iqn: string;
  readonly #abort = new AbortController();
  #state: EngineState = { name: "starting" };
  #portals: HostPort[] = [];
  #serving: Serving | null = null;

  /** @param onFenced called once when another engine has taken over: nothing is left to do but end */
  constructor(
    readonly options: EngineOptions,
    private readonly onFenced: (reason: string) => void,
    private readonly log: Logger,
  ) {
    this.iqn = iqnOf(options.volume);
  }

  get state(): EngineState {
    return this.#state;
  }

  /** Resolves when initiators can log in.
   * @throws {MembershipError | ListenError} */
  async start(): Promise<void> {
    const { options, log } = this;
    const early: Health[] = [];
    let onHealth = (health: Health) => {
      early.push(health);
    };
    const attached = await AttachedVolume.attach({
      ...options,
      engineId: this.id,
      engineBootId: readBootId(options.bootIdFile),
      waitMs: MEMBERS_WAIT_MS,
      onWait: (evidence) => this.#apply({ type: "waited", reason: evidence }),
      onHealth: (health) => onHealth(health),
      signal: this.#abort.signal,
      log,
    });
    const target = createTarget(attached, {
      volume: options.volume,
      size: options.size,
      logicalBlockSize: options.logicalBlockSize,
      acl: options.allowedInitiators,
      chap: options.chap,
      log,
    });
    this.#serving = { attached, target };
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

  /** Lets initiators log out, makes everything durable, and tells the replicas so.
   * @returns whether the next start has nothing to compare */
  async stop(): Promise<boolean> {
    this.#apply({ type: "stopped" });
    this.#abort.abort();
    if (this.#serving === null) return true;
    const { attached, target } = this.#serving;
    await target.shutdown();
    return attached.detach();
  }

  get iscsiUrl(): string {
    const portal = this.#portals[0];
    return portal === undefined ? "" : `iscsi://${formatHostPort(portal)}/${this.iqn}/${LUN}`;
  }

  get portals(): string[] {
    return this.#portals.map(formatHostPort);
  }

  get generation(): number {
    return this.#serving?.attached.replicas.generation ?? 0;
  }

  replicas(): ReplicaView[] {
    const connecting = (address: string): ReplicaView => ({
      address,
      replicaId: "",
      state: { mode: "CONNECTING" },
      directory: "",
      lastResync: null,
      slot: null,
    });
    return this.#serving?.attached.replicas.replicas() ?? this.options.replicas.map(connecting);
  }

  sessions(): SessionInfo[] {
    return this.#serving?.target.sessions() ?? [];
  }

  stats(): VolumeStats | null {
    return this.#serving?.attached.volume.stats() ?? null;
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
