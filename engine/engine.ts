/** One engine: a volume taken over from its replicas, served as an iSCSI target, and watched. */
import { randomUUID } from "node:crypto";
import type { Logger } from "pino";
import { AttachedVolume } from "./attached-volume.js";
import { readBootId } from "./boot-id.js";
import { nextEngineState, type EngineEvent, type EngineState } from "./engine-state.js";
import { holdAndRelease } from "./hand-over/give.js";
import { HandOverOffer, type Gift } from "./hand-over/offer.js";
import { HandOver } from "./hand-over/take.js";
import { formatHostPort, type HostPort } from "./host-port.js";
import { MEMBERS_WAIT_MS } from "./limits.js";
import type { EngineOptions } from "./options.js";
import type { Health } from "./health.js";
import type { ReplicaView } from "./replica-set.js";
import { PORTAL_WAIT_MS } from "./target/limits.js";
import { checkTakeable, MembershipError, OtherEngineError, type Predecessors } from "./takeover.js";
import type { WitnessView } from "./witness-watch.js";
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

/** Why nothing is left to do but end. */
export type EngineEnd =
  | { type: "fenced"; reason: string }
  /** the volume was handed to the next engine */
  | { type: "replaced" }
  | { type: "failed"; error: Error };

/** What an engine starts from that takes another one's place, or its own again. */
interface Succession {
  /** what its logical unit knew; null when it had none */
  unitState: Buffer | null;
  /** null: whoever was in charge */
  after: Predecessors | null;
}

export class Engine {
  readonly id = randomUUID();
  readonly iqn: string;
  readonly #abort = new AbortController();
  #state: EngineState = { name: "starting" };
  #portals: HostPort[] = [];
  #serving: Serving | null = null;
  #given: Gift | null = null;
  #offer: HandOverOffer | null = null;

  /** @param onEnd called when nothing is left to do but end; only the first call counts */
  constructor(
    readonly options: EngineOptions,
    private readonly onEnd: (end: EngineEnd) => void,
    private readonly log: Logger,
  ) {
    this.iqn = iqnOf(options.volume);
  }

  get state(): EngineState {
    return this.#state;
  }

  /** Resolves when initiators can log in.
   * @throws {MembershipError | OtherEngineError | ListenError | HandOverRefusedError} */
  async start(): Promise<void> {
    const { options, log } = this;
    const { volume, size, replicas, witness, upgrade } = options;
    // What cannot be served here does not trouble the engine that serves it.
    if (upgrade)
      await checkTakeable(replicas, witness, { volume, size, salvage: null, acceptLostWrites: false });
    const handOver = upgrade ? await HandOver.ask(this.id, replicas, log) : null;
    try {
      await this.#serve({ unitState: handOver?.unit ?? null, after: handOver?.after ?? null });
    } catch (error) {
      handOver?.cancel();
      throw error;
    }
    await handOver?.leave();
    this.#offer = HandOverOffer.make(
      this.id,
      { give: () => this.#give(), leave: () => this.#leave(), goOn: (after) => this.#goOn(after) },
      log,
    );
  }

  async #serve({ unitState, after }: Succession): Promise<void> {
    const { options, log } = this;
    const early: Health[] = [];
    let onHealth = (health: Health) => {
      early.push(health);
    };
    const attached = await AttachedVolume.attach({
      ...options,
      engineId: this.id,
      engineBootId: readBootId(options.bootIdFile),
      // Acts of the operator on what was there at the start.
      salvage: after === null ? options.salvage : null,
      acceptLostWrites: after === null && options.acceptLostWrites,
      waitMs: MEMBERS_WAIT_MS,
      after,
      copier: null,
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
      unitState,
      log,
    });
    this.#serving = { attached, target };
    const portals = this.#portals.length > 0 ? this.#portals : options.portals;
    try {
      // The engine before leaves its portals when it has handed over, or notices that it is fenced.
      this.#portals = await target.start(portals, options.upgrade || after !== null ? PORTAL_WAIT_MS : 0);
    } catch (error) {
      const names = portals.map(formatHostPort).join(", ");
      throw new ListenError(`cannot listen on ${names}: ${(error as Error).message}`, { cause: error });
    }
    // Only now: replicas are ready before initiators can get at them.
    onHealth = (health) => this.#onHealth(health);
    for (const health of early) this.#onHealth(health);
  }

  // ------------------------------------------------------------------------------------------ the next engine

  async #give(): Promise<Gift> {
    const { name } = this.#state;
    if (this.#serving === null || (name !== "serving" && name !== "degraded"))
      throw new Error(`the volume is ${name}`);
    const { attached, target } = this.#serving;
    return (this.#given = await holdAndRelease(attached, target, this.log));
  }

  async #leave(): Promise<void> {
    await this.#serving?.target.leave();
    this.onEnd({ type: "replaced" });
  }

  async #goOn(after: readonly string[]): Promise<void> {
    if (this.#serving === null || this.#given === null || this.#abort.signal.aborted) return;
    const { attached, target } = this.#serving;
    const { unit } = this.#given;
    try {
      await this.#serve({ unitState: unit, after: { ids: after, generationMax: Infinity } });
    } catch (error) {
      if (error instanceof MembershipError || error instanceof OtherEngineError)
        this.onEnd({ type: "fenced", reason: error.message });
      else this.onEnd({ type: "failed", error: error as Error });
      return;
    }
    this.#given = null;
    await target.leave();
    // Operations that are held end with their volume.
    await Promise.all([target.close(), attached.close()]);
  }

  // ------------------------------------------------------------------------------------------ the end

  /** Lets initiators log out, makes everything durable, and tells the replicas so.
   * @returns whether the next start has nothing to compare */
  async stop(): Promise<boolean> {
    this.#apply({ type: "stopped" });
    this.#abort.abort();
    this.#offer?.close();
    if (this.#serving === null) return true;
    const { attached, target } = this.#serving;
    if (this.#given !== null) {
      // I/O is held, and waits for the next engine.
      await target.leave();
      return true;
    }
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

  /** null: there is none */
  witness(): WitnessView | null {
    const { witness } = this.options;
    if (this.#serving !== null) return this.#serving.attached.replicas.witness();
    return witness === null
      ? null
      : { address: witness, replicaId: "", member: false, cause: "not asked yet" };
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
      this.onEnd({ type: "fenced", reason: health.reason });
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
