/** What an engine of ours asks of a replica (`ReplicaControl`): decided from the durable record, in the replica's turn. */
import { status } from "@grpc/grpc-js";
import type { Logger } from "pino";
import type {
  ChangeRequest,
  CommitSnapshotRequest,
  EngineRequest,
  InheritedRegionsReply,
  MissedRegionsReply,
  MissedRegionsRequest,
  OpeningRequest,
  PrepareSnapshotRequest,
  RecordedReply,
  RecordRequest,
  ReplicaFacts,
} from "../proto/control.js";
import { RpcError } from "../proto/unary.js";
import type { DiskMeta } from "./disk-meta.js";
import { decideAgreed, decideEngine, decideRecord, decideChange, type ControlDecision } from "./decide.js";
import { decideEnd, decidePrepare, isSame } from "./engine-change.js";
import type { HostedReplica } from "./hosted-replica.js";
import { REGION_BYTES } from "./limits.js";
import type { LiveChain } from "./live-chain.js";
import { expansionError } from "./expansion-error.js";
import { readRecord } from "./member-record.js";
import { afterRecord, beforeRecord, missedPart } from "./missed.js";
import type { OpenReplica } from "./open-replica.js";
import { UnusableReplica } from "./unusable.js";

export class ReplicaDecisions {
  constructor(
    private readonly hosted: HostedReplica,
    private readonly log: Logger,
  ) {}

  /** Facts for the decision which copies are current. A replica that is not open yet is opened. */
  async identify(): Promise<ReplicaFacts> {
    // Not in turn while it is open: facts are to be had also while a decision waits for the disk.
    const found = this.hosted.current ?? (await this.hosted.run(() => this.openedOrNot()));
    if (found instanceof UnusableReplica) return found.facts(this.hosted.served);
    const { replica } = found;
    const { directory, record } = replica;
    const { volume, replicaId, unfit } = replica.standing;
    const stats = replica.store.stats();
    return {
      volume,
      replicaId,
      unfit,
      rebuildInterrupted: replica.rebuildInterrupted,
      size: directory.meta.size,
      record: record.member,
      lostWrites: record.lostWrites,
      inheritedRegions: stats.dirtyRegions,
      regionSize: REGION_BYTES,
      bootId: replica.bootId,
      directory: directory.path,
      ...this.hosted.served,
      revision: replica.revision() ?? 0,
      allocated: stats.allocatedBytes,
      chain: [...directory.chain],
      opening: replica.opening,
      chainCreated: directory.chain.map((name) => directory.disks.get(name)?.created ?? ""),
      snapshots: directory.chain.slice(1).filter((name) => isKept(directory.disks.get(name))),
      heldGeneration: record.heldGeneration,
      witness: false,
      backing: replica.backing,
    };
  }

  /** What is stored, also where another process has the directory open, which a replica that is not open yet cannot be. */
  async recorded(): Promise<RecordedReply> {
    const { current, options } = this.hosted;
    const record = current === null ? await readRecord(options.directory) : current.replica.record;
    return { record: record?.member ?? null };
  }

  /** A new generation, or new state of the present engine. When it resolves, no other engine's request can touch the store
   * any more and the record is durable. */
  record(request: RecordRequest): Promise<void> {
    return this.hosted.run(async () => {
      const found = await this.openedOrNot();
      const unusable = found instanceof UnusableReplica;
      accepted(decideRecord((unusable ? found : found.replica).standing, request));
      if (!unusable) return this.keepRecord(found.replica, request);
      await found.keep(request);
      this.log.warn({ generation: request.record?.generation, reason: found.standing.unfit }, "generation recorded by a replica that cannot be opened"); // prettier-ignore
    });
  }

  private async keepRecord(replica: OpenReplica, request: RecordRequest): Promise<void> {
    const member = request.record;
    if (member === null) return;
    const { replicaId } = replica.record;
    const isMember = member.members.includes(replicaId);
    // Who is left out has ended its work with this engine as well: what it has, others may not have.
    const takeover = replica.record.member?.engineId !== member.engineId || !isMember;
    await replica.data.fence(isMember ? member.engineId : null);
    // Before the record: if that fails and is asked for again, a region inherited too early does no harm.
    if (takeover) await replica.store.inherit();
    await replica.keepRevision(isMember ? member.revisionAtLeast : 0);
    await beforeRecord(replica.store, replicaId, member, replica.record.member);
    // A record that still waits for it may not have reached the others: they would not know of its generation.
    const held = isMember && !member.absent.some((absence) => absence.replicaId === replicaId);
    const heldGeneration = held ? member.generation : replica.record.heldGeneration;
    await replica.keepRecord({ ...replica.record, volume: request.volume, member, heldGeneration });
    await afterRecord(replica.store, member);
    this.log.info({ generation: member.generation, members: member.members, engineId: member.engineId, takeover }, "generation recorded"); // prettier-ignore
  }

  inheritedRegions(request: EngineRequest): Promise<InheritedRegionsReply> {
    return this.decide(
      (replica) => decideEngine(replica.standing, request),
      (replica) => ({ regionSize: REGION_BYTES, bitmap: replica.store.inheritedRegions() }),
    );
  }

  missedRegions(request: MissedRegionsRequest): Promise<MissedRegionsReply> {
    return this.decide(
      (replica) => decideEngine(replica.standing, request),
      (replica) => missedPart(replica.store, request.skip),
    );
  }

  agreed(request: OpeningRequest): Promise<void> {
    return this.decide(
      (replica) => decideAgreed(replica.standing, request),
      async (replica) => {
        await replica.store.agreed();
        await replica.noteAgreed();
        this.log.info({}, "copies agree");
      },
    );
  }

  /** The engine's orderly end. */
  release(request: OpeningRequest): Promise<void> {
    return this.decide(
      (replica) => decideChange(replica.standing, request),
      async (replica) => {
        await replica.data.fence(null);
        await replica.store.release();
        await replica.keepRevision(0);
        await replica.setDirty(false);
        this.log.info({ engineId: request.engineId }, "released by its engine");
      },
    );
  }

  /** The first part of an engine's snapshot: everything that takes time. */
  prepareSnapshot(request: PrepareSnapshotRequest): Promise<void> {
    return this.decide(
      (replica) => decideChange(replica.standing, request),
      async (_replica, chain) => {
        const { engineChanges } = chain;
        accepted(decidePrepare(engineChanges, request));
        const isRepeated = request.change > 0 && isSame(engineChanges.prepared, request);
        if (!isRepeated) await chain.prepareAs(request);
      },
    );
  }

  /** The second part: the engine sends nothing until it is answered. What is left to do is still done in this turn. */
  commitSnapshot(request: CommitSnapshotRequest): Promise<void> {
    return new Promise((resolve, reject) => {
      let answered = false;
      this.decide(
        (replica) => decideChange(replica.standing, request),
        async (_replica, chain) => {
          accepted(decideEnd(chain.engineChanges, request));
          const change = chain.pendingChange;
          const finish = await chain.commit().catch((error: unknown) => {
            throw change === "expansion" ? expansionError(error) : error;
          });
          answered = true;
          resolve();
          await finish();
        },
      ).catch((err: unknown) => {
        // The replica has failed with it.
        if (answered) this.log.error({ err }, "snapshot not finished");
        else reject(err instanceof Error ? err : new Error(String(err)));
      });
    });
  }

  abandonSnapshot(request: ChangeRequest): Promise<void> {
    return this.decide(
      (replica) => decideEngine(replica.standing, request),
      async (_replica, chain) => {
        // Its Prepare may be the later one to come.
        chain.noteChange(request);
        const { engineChanges } = chain;
        if (engineChanges.prepared === null && request.change === 0) return;
        accepted(decideEnd(engineChanges, request));
        await chain.abandon();
      },
    );
  }

  private decide<T>(
    decision: (replica: OpenReplica) => ControlDecision,
    act: (replica: OpenReplica, chain: LiveChain) => T | Promise<T>,
  ): Promise<T> {
    return this.hosted.run(async () => {
      const { replica, chain } = await this.hosted.opened();
      accepted(decision(replica));
      return act(replica, chain);
    });
  }

  /** One that cannot be opened still answers for its record. */
  private async openedOrNot() {
    try {
      return await this.hosted.opened();
    } catch (error) {
      return UnusableReplica.of(this.hosted.options, error);
    }
  }
}

/** @throws {RpcError} */
export function accepted(decided: ControlDecision): void {
  if (!decided.accept) throw new RpcError(status[decided.code], decided.message);
}

function isKept(disk: DiskMeta | undefined): boolean {
  return disk !== undefined && disk.userCreated && !disk.removed;
}
