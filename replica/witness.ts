/**
 * A replica without data: it keeps the record of who is current, so that of two copies one and it are enough to go on. Its
 * directory holds `aurochs.record` alone. One that was emptied is another witness: its id is made with it.
 *
 * Or it is one of several voters that are a witness together: once it has taken part in a ballot it is that for good.
 */
import { randomUUID } from "node:crypto";
import { mkdir, readdir } from "node:fs/promises";
import { status } from "@grpc/grpc-js";
import type { Logger } from "pino";
import { NO_BALLOT } from "../proto/ballot.js";
import type { RecordedReply, RecordRequest, ReplicaFacts } from "../proto/control.js";
import { RpcError } from "../proto/rpc-error.js";
import {
  NO_DATA,
  type AcceptRequest,
  type PromiseRequest,
  type Vote,
  type WitnessRecord,
} from "../proto/voting.js";
import { witnessIdOf } from "../proto/witness-id.js";
import { following, joins, whyNotVoter, type Following } from "./decide-vote.js";
import { DECISIONS_WAITING_MAX } from "./limits.js";
import { lockDirectory, type DirectoryLock } from "./lock.js";
import { readRecord, writeRecord, type ReplicaRecord, type StoredVote } from "./member-record.js";
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

  /** @throws {RpcError} it is none by itself */
  identify(): ReplicaFacts {
    this.#isWhole();
    const { volume, replicaId, member, heldGeneration } = this.record_;
    const { directory } = this;
    return {
      ...NO_DATA,
      ...{ volume, replicaId, record: member, heldGeneration, directory, opening: this.#opening },
    };
  }

  /** @throws {RpcError} it is none by itself */
  recorded(): RecordedReply {
    this.#isWhole();
    return { record: this.record_.member };
  }

  /** @throws {RpcError} the record does not follow from what it has, or it is none by itself */
  record(request: RecordRequest): Promise<void> {
    return this.#decisions.run(async () => {
      this.#isWhole();
      const { member: record, heldGeneration } = this.record_;
      const next = following(this.identity, { record, heldGeneration }, request);
      demand(next);
      await this.#keep(request.volume, next.held);
    });
  }

  /** @throws {RpcError} it is a witness by itself */
  look(): Vote {
    const { vote, volume, member: record, heldGeneration, replicaId } = this.record_;
    if (vote === undefined && record !== null)
      throw new RpcError(status.FAILED_PRECONDITION, `${replicaId} is a witness by itself`);
    const { voters, promised, accepted } = vote ?? { voters: [], promised: NO_BALLOT, accepted: NO_BALLOT };
    return { volume, voterId: replicaId, voters, promised, accepted, held: { record, heldGeneration } };
  }

  /** @throws {RpcError} `NOT_FOUND`: it is no voter, or not one of these */
  promise(request: PromiseRequest): Promise<Vote> {
    return this.#decisions.run(async () => {
      this.#takesPart(request);
      const { volume, voters, ballot } = request;
      const { promised, accepted } = this.record_.vote ?? { promised: NO_BALLOT, accepted: NO_BALLOT };
      if (ballot !== null && joins(promised, ballot))
        await this.#store({ ...this.record_, volume, vote: { voters, promised: ballot, accepted } });
      return this.look();
    });
  }

  /** @throws {RpcError} `NOT_FOUND`: it is no voter, or not one of these; any other: the change is refused */
  accept(request: AcceptRequest): Promise<Vote> {
    return this.#decisions.run(async () => {
      this.#takesPart(request);
      const { volume, voters, ballot, basis, change } = request;
      if (ballot === null || !joins(this.record_.vote?.promised ?? NO_BALLOT, ballot)) return this.look();
      const identity = { volume, replicaId: witnessIdOf(voters) };
      const next = following(identity, basis ?? { record: null, heldGeneration: 0 }, change);
      demand(next);
      await this.#keep(volume, next.held, { voters, promised: ballot, accepted: ballot });
      return this.look();
    });
  }

  #takesPart(request: PromiseRequest): void {
    const reason = whyNotVoter(this.record_, request);
    if (reason !== null) throw new RpcError(status.NOT_FOUND, reason);
  }

  /** One of several has a part of the truth only. */
  #isWhole(): void {
    const { replicaId, vote } = this.record_;
    if (vote === undefined) return;
    const others = vote.voters.filter((id) => id !== replicaId).join(", ");
    const message = `${replicaId} is one of several voters: with ${others} it is a witness, whose addresses are given together`;
    throw new RpcError(status.FAILED_PRECONDITION, message);
  }

  async #keep(volume: string, { record, heldGeneration }: WitnessRecord, vote?: StoredVote): Promise<void> {
    await this.#store({ ...this.record_, volume, member: record, heldGeneration, ...(vote && { vote }) });
    const { generation, members, engineId } = record ?? { generation: 0, members: [], engineId: "" };
    this.log.info({ generation, members, engineId, ballot: vote?.accepted }, "generation recorded");
  }

  async #store(next: ReplicaRecord): Promise<void> {
    await writeRecord(this.directory, next);
    this.record_ = next;
  }

  /** Idempotent. */
  close(): Promise<void> {
    return this.#decisions.always(() => this.lock.release());
  }
}

function demand(decided: Following): asserts decided is Extract<Following, { accept: true }> {
  if (!decided.accept) throw new RpcError(status[decided.code], decided.message);
}
