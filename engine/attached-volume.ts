/** A volume that this engine has taken over: the native Volume, its replicas, and the settling of what is written. */
import type { Logger } from "pino";
import { Volume } from "../native/index.js";
import { withDeadline } from "./deadline.js";
import type { Health } from "./health.js";
import type { LonghornLink } from "./longhorn/longhorn-link.js";
import { ReplicaLink } from "./replica-link.js";
import { witnessLink } from "./voters-link.js";
import { ReplicaSet } from "./replica-set.js";
import { SettleLoop } from "./settle-loop.js";
import type { SnapshotCopier } from "./snapshot-followers.js";
import { takeOver, type Predecessors } from "./takeover.js";

export interface AttachOptions {
  volume: string;
  /** bytes */
  size: number;
  /** control addresses, `host:port` */
  replicas: string[];
  /** those of them that must not be copies, and why: they have a say in who is. Absent: all may be */
  unfit?: ReadonlyMap<string, string>;
  /** control address of the witness; null: there is none */
  witness: string | null;
  /** replicas of Longhorn's own in the same set, opened; closed with the volume. Absent: there are none */
  longhorn?: readonly LonghornLink[];
  engineId: string;
  engineBootId: string;
  replicaTimeoutMs: number;
  /** how long members that have not answered are waited for, ms */
  waitMs: number;
  /** id of the replica to start from without proof, or null */
  salvage: string | null;
  acceptLostWrites: boolean;
  /** whom the replicas may be taken over from; null: anybody */
  after: Predecessors | null;
  /** how snapshots get to a replica that is resynced; null: none are taken meanwhile */
  copier: SnapshotCopier | null;
  onHealth: (health: Health) => void;
  onWait: (evidence: string) => void;
  /** unmaps wait until `volume.watchUnmaps(false)`. Absent: nobody lets them wait */
  onUnmapsWaiting?: () => void;
  signal: AbortSignal;
  log: Logger;
}

export class AttachedVolume {
  private constructor(
    readonly volume: Volume,
    readonly replicas: ReplicaSet,
    private readonly settling: SettleLoop,
    private readonly links: ReplicaLink[],
    private readonly log: Logger,
  ) {}

  /** Resolves when I/O can be done.
   * @throws {MembershipError} and then nothing stays open */
  static async attach(options: AttachOptions): Promise<AttachedVolume> {
    const {
      size,
      replicaTimeoutMs,
      acceptLostWrites,
      engineBootId,
      copier,
      onHealth,
      log,
      longhorn = [],
      unfit = new Map<string, string>(),
    } = options;
    const links = options.replicas.map((address) => new ReplicaLink(address));
    const witness = options.witness === null ? null : witnessLink(options.witness);
    const all = [...links, ...longhorn];
    let volume: Volume | null = null;
    let replicas: ReplicaSet | null = null;
    try {
      const wanted = { volume: options.volume, size, salvage: options.salvage, acceptLostWrites };
      const takeover = await takeOver({ ...options, wanted, links, unfit, longhorn, witness });
      const native = new Volume({ size, replicaTimeoutMs }, (event) => {
        if (event.type === "unmapsWaiting") options.onUnmapsWaiting?.();
        else if (event.type === "readWaits") set.onReadWaits(event);
        else set.onSlotEvent(event);
      });
      volume = native;
      const rules = { engineBootId, acceptLostWrites };
      const set = new ReplicaSet(native, { takeover, size, rules, witness, copier, onHealth, log });
      replicas = set;
      await set.start();
      return new AttachedVolume(native, set, new SettleLoop(native, set, log), all, log);
    } catch (error) {
      replicas?.close();
      await volume?.close();
      for (const link of all) link.close();
      witness?.close();
      throw error;
    }
  }

  /** Holds all I/O from now on, until `resume` or the end. Resolves when none is under way.
   * @throws {Error} after `waitMs`, and then I/O goes on */
  async hold(waitMs: number): Promise<void> {
    // While I/O still goes on, so that little is left to be made durable when it waits.
    await withDeadline(this.volume.settle(), waitMs).catch((err: unknown) => {
      this.log.debug({ err }, "nothing was settled before I/O is held");
    });
    try {
      await withDeadline(this.volume.quiesce(), waitMs);
    } catch (error) {
      await this.volume.resume();
      throw error;
    }
  }

  /** The first half of an orderly end: everything is durable and equal, the replicas know it, and nobody does I/O any more.
   * @returns whether the next start has nothing to compare */
  async release(): Promise<boolean> {
    this.settling.stop();
    return this.replicas.stop();
  }

  /** The second half: what still waits is answered with an error, so whoever could hear it has to be gone. */
  async close(): Promise<void> {
    this.settling.stop();
    // First of all: nobody asks a volume that is closed.
    this.replicas.close();
    await this.volume.close();
    for (const link of this.links) link.close();
  }

  /** Orderly end, when nobody does I/O any more.
   * @returns whether the next start has nothing to compare */
  async detach(): Promise<boolean> {
    const clean = await this.release();
    await this.close();
    return clean;
  }
}
