/**
 * A directory that cannot be opened although its record can be read: its chain is damaged. It answers for its record, so that
 * an engine can go on with the other copies and keep this one out durably: it stores records, and is a member in none that
 * it stores. Nothing else of the directory is touched.
 */
import { join } from "node:path";
import type { RecordRequest, ReplicaFacts } from "../proto/control.js";
import { readBootId } from "./boot-id.js";
import { mayHaveLostWrites, type Standing } from "./decide.js";
import { lookAt } from "./directory.js";
import { identify } from "./identity.js";
import { REGION_BYTES } from "./limits.js";
import { lockDirectory } from "./lock.js";
import { isLossMarked } from "./loss-mark.js";
import { writeRecord, type ReplicaRecord } from "./member-record.js";
import type { HostedReplicaOptions } from "./open.js";
import { ReplicaError, type ReplicaErrorCode } from "./replica-error.js";
import { fileUsage } from "./usage.js";

/** What stays as it is until somebody repairs it; a disk that is full or fails may come back as a good copy. */
const LASTING = new Set<ReplicaErrorCode>(["DAMAGED", "MISSING", "SIZE_MISMATCH", "UNSUPPORTED", "FOREIGN"]);

export class UnusableReplica {
  private constructor(
    private readonly directory: string,
    private readonly reason: string,
    private readonly record: ReplicaRecord,
    /** acknowledged writes may be lost; stored as such once it can be opened */
    private readonly lostWrites: boolean,
    /** bytes */
    private readonly size: number,
    /** bytes */
    private readonly allocated: number,
  ) {}

  /** @param error why the directory cannot be opened
   * @throws `error`, unless that is damage to a replica that was used by an engine of ours; what is wrong with its record */
  static async of(options: HostedReplicaOptions, error: unknown): Promise<UnusableReplica> {
    if (!(error instanceof ReplicaError) || !LASTING.has(error.code)) throw error;
    const { directory } = options;
    const record = await identify(directory, options);
    const found = await lookAt(directory);
    if (record.member === null || found.state !== "volume") throw error;
    const bootId = await readBootId(directory, options.bootIdFile ?? undefined);
    const lostWrites =
      record.lostWrites ||
      (await isLossMarked(directory)) ||
      // Its map is not opened: any region may not have been known to be durable.
      mayHaveLostWrites(record.bootId, bootId, Infinity);
    const images = found.names.filter((name) => name.endsWith(".img"));
    const usages = await Promise.all(images.map((name) => fileUsage(join(directory, name))));
    const allocated = usages.reduce((sum, { allocatedBytes }) => sum + allocatedBytes, 0);
    return new UnusableReplica(directory, error.message, record, lostWrites, found.meta.size, allocated);
  }

  get standing(): Standing {
    const { volume, replicaId, member } = this.record;
    const { lostWrites } = this;
    return { volume, replicaId, member, unfit: this.reason, lostWrites, opening: "" };
  }

  facts(served: Pick<ReplicaFacts, "dataPort" | "dataSocket">): ReplicaFacts {
    const { volume, replicaId, member, bootId, heldGeneration } = this.record;
    const { lostWrites } = this;
    return {
      ...{
        volume,
        replicaId,
        unfit: this.reason,
        rebuildInterrupted: false,
        witness: false,
        backing: "",
        size: this.size,
        record: member,
      },
      ...{ lostWrites, inheritedRegions: 0, regionSize: REGION_BYTES, bootId, directory: this.directory },
      ...{
        ...served,
        revision: 0,
        allocated: this.allocated,
        chain: [],
        opening: "",
        chainCreated: [],
        snapshots: [],
      },
      heldGeneration,
    };
  }

  /** Stores a record that `decideRecord` has accepted. */
  async keep({ volume, record: member }: RecordRequest): Promise<void> {
    const lock = lockDirectory(this.directory);
    try {
      await writeRecord(this.directory, { ...this.record, volume, member });
    } finally {
      lock.release();
    }
  }
}
