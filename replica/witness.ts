/**
 * A replica without data: it keeps the record of who is current, so that of two copies one and it are enough to go on. Its
 * directory holds `aurochs.record` alone. One that was emptied is another witness: its id is made with it.
 */
import { randomUUID } from "node:crypto";
import { mkdir, readdir } from "node:fs/promises";
import { Server, status } from "@grpc/grpc-js";
import type { Logger } from "pino";
import {
  ReplicaControl,
  type RecordedReply,
  type RecordRequest,
  type ReplicaFacts,
} from "../proto/control.js";
import { addHealth } from "../proto/health.js";
import { RpcError, unaryHandlers } from "../proto/unary.js";
import { bindServer } from "./bind-server.js";
import { decideRecord } from "./decide.js";
import { DECISIONS_WAITING_MAX } from "./limits.js";
import { lockDirectory, type DirectoryLock } from "./lock.js";
import { readRecord, writeRecord, type ReplicaRecord } from "./member-record.js";
import { ReplicaError } from "./replica-error.js";
import { Serial } from "./serial.js";

/** Of every replica of ours. */
const OWN_FILES = "aurochs.";
/** A file system's root is an empty directory, too. */
const LOST_AND_FOUND = "lost+found";

export class Witness {
  readonly #decisions = new Serial(DECISIONS_WAITING_MAX);
  readonly #opening = randomUUID();

  private constructor(
    readonly directory: string,
    private readonly lock: DirectoryLock,
    private record_: ReplicaRecord,
    private readonly log: Logger,
  ) {}

  /** @param volume null: as recorded, or the first engine's
   * @throws {ReplicaError} */
  static async open(directory: string, volume: string | null, log: Logger): Promise<Witness> {
    await mkdir(directory, { recursive: true });
    const lock = lockDirectory(directory);
    try {
      const stored = await readRecord(directory);
      if (stored !== null && stored.witness !== true)
        throw new ReplicaError(
          "FOREIGN",
          `${directory} belongs to replica ${stored.replicaId}, which is no witness`,
        );
      if (stored !== null && volume !== null && stored.volume !== "" && stored.volume !== volume)
        throw new ReplicaError("FOREIGN", `${directory} belongs to volume ${stored.volume}, not ${volume}`);
      const names = await readdir(directory);
      const others = names.filter((name) => !name.startsWith(OWN_FILES) && name !== LOST_AND_FOUND);
      if (others.length > 0)
        throw new ReplicaError("FOREIGN", `${directory} is no witness's: it holds ${others.join(", ")}`);
      const record = stored ?? {
        ...{ volume: "", replicaId: randomUUID(), member: null, heldGeneration: 0, bootId: "" },
        ...{ lostWrites: false, witness: true },
      };
      const named = { ...record, volume: record.volume === "" ? (volume ?? "") : record.volume };
      // Its id is durable before anybody is told of it.
      await writeRecord(directory, named);
      return new Witness(directory, lock, named, log);
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  get identity(): { volume: string; replicaId: string } {
    const { volume, replicaId } = this.record_;
    return { volume, replicaId };
  }

  identify(): ReplicaFacts {
    const { volume, replicaId, member, heldGeneration } = this.record_;
    return {
      ...{ volume, replicaId, record: member, heldGeneration, witness: true, directory: this.directory },
      ...{ size: 0, lostWrites: false, inheritedRegions: 0, regionSize: 0, bootId: "", dataPort: 0 },
      ...{
        revision: 0,
        allocated: 0,
        chain: [],
        chainCreated: [],
        snapshots: [],
        unfit: "",
        rebuildInterrupted: false,
      },
      opening: this.#opening,
    };
  }

  recorded(): RecordedReply {
    return { record: this.record_.member };
  }

  record(request: RecordRequest): Promise<void> {
    return this.#decisions.run(async () => {
      const { volume, replicaId, member } = this.record_;
      const standing = { volume, replicaId, member, unfit: "", lostWrites: false, opening: this.#opening };
      const decided = decideRecord(standing, request);
      if (!decided.accept) throw new RpcError(status[decided.code], decided.message);
      const { record } = request;
      if (record === null) return;
      const isMember = record.members.includes(replicaId);
      const heldGeneration = isMember ? record.generation : this.record_.heldGeneration;
      const next = { ...this.record_, volume: request.volume, member: record, heldGeneration };
      await writeRecord(this.directory, next);
      this.record_ = next;
      const { generation, members, engineId } = record;
      this.log.info({ generation, members, engineId }, "generation recorded");
    });
  }

  /** Idempotent. */
  close(): Promise<void> {
    return this.#decisions.always(() => this.lock.release());
  }
}

export interface WitnessOptions {
  directory: string;
  /** null: as recorded, or the first engine's */
  volume: string | null;
  host: string;
  /** 0: a free one */
  port: number;
}

export interface RunningWitness {
  port: number;
  stop(): Promise<void>;
}

/** @throws {ReplicaError} */
export async function runWitness(options: WitnessOptions, log: Logger): Promise<RunningWitness> {
  const { directory, volume, host } = options;
  const witness = await Witness.open(directory, volume, log);
  const server = new Server();
  const noData = () => {
    throw new RpcError(status.UNIMPLEMENTED, "this is a witness: it keeps records, and no data");
  };
  server.addService(
    ReplicaControl,
    unaryHandlers(ReplicaControl, {
      identify: () => Promise.resolve(witness.identify()),
      recorded: () => Promise.resolve(witness.recorded()),
      record: (request) => witness.record(request).then(() => ({})),
      inheritedRegions: noData,
      missedRegions: noData,
      agreed: noData,
      release: noData,
      prepareSnapshot: noData,
      commitSnapshot: noData,
      abandonSnapshot: noData,
    }),
  );
  addHealth(server);
  try {
    const port = await bindServer(server, host, options.port);
    log.info({ ...witness.identity, directory, host, port }, "witness serves");
    return {
      port,
      stop: async () => {
        server.forceShutdown();
        await witness.close();
      },
    };
  } catch (error) {
    await witness.close();
    throw error;
  }
}
