/** SnapshotHash: checksums of snapshots, recorded beside them; and whether a snapshot has changed without being written to. */
import { unlink } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "pino";
import {
  changeTimeOf,
  checksumFile,
  METHOD_CRC64,
  readRecordedChecksum,
  writeRecordedChecksum,
} from "../checksum-file.js";
import { bareNameOf } from "../disk-names.js";
import { hashFile } from "./hash-file.js";
import { HASH_JOBS_KEPT, HASH_JOBS_WAITING_MAX } from "./limits.js";
import { snapshotFileOf } from "./names.js";
import { NodeLock } from "./node-lock.js";
import { osError } from "./os-text.js";

export interface HashStatus {
  state: "in_progress" | "complete" | "error";
  checksum: string;
  error: string;
  silentlyCorrupted: boolean;
}

interface Job {
  status: HashStatus;
  abort: AbortController;
}

type Result = Pick<HashStatus, "checksum" | "silentlyCorrupted">;

export class Hashing {
  /** by data file name, the oldest first */
  private readonly jobs = new Map<string, Job>();
  private last: Promise<void> = Promise.resolve();

  /** @param lock of the node */
  constructor(
    private readonly directory: string,
    private readonly lock: NodeLock,
    private readonly log: Logger,
  ) {}

  /** Queues a job, unless one is waiting or under way. @param rehash even if the file has not changed since the last time */
  start(name: string, rehash: boolean): void {
    const file = snapshotFileOf(name);
    if (this.jobs.get(file)?.status.state === "in_progress") return;
    const waiting = [...this.jobs.values()].filter(({ status }) => status.state === "in_progress").length;
    if (waiting >= HASH_JOBS_WAITING_MAX) throw new Error("too many snapshots wait to be hashed");
    const status: HashStatus = { state: "in_progress", checksum: "", error: "", silentlyCorrupted: false };
    const job = { status, abort: new AbortController() };
    this.jobs.delete(file);
    this.jobs.set(file, job);
    this.last = this.last.then(() => this.run(file, rehash, job));
  }

  private async run(file: string, rehash: boolean, job: Job): Promise<void> {
    const { signal } = job.abort;
    try {
      signal.throwIfAborted();
      const result = await this.lock.with(signal, () => this.hash(file, rehash, signal));
      job.status = { state: "complete", error: "", ...result };
      if (result.silentlyCorrupted) this.log.error({ file }, "snapshot is silently corrupted");
      else this.log.info({ file, checksum: result.checksum }, "snapshot hashed");
    } catch (err) {
      const error = signal.aborted
        ? "hashing was cancelled"
        : err instanceof Error
          ? err.message
          : String(err);
      job.status = { ...job.status, state: "error", error };
      this.log.warn({ err, file }, "snapshot is not hashed");
    }
    this.forgetOld(job.status.state);
  }

  private async hash(file: string, rehash: boolean, signal: AbortSignal): Promise<Result> {
    const path = join(this.directory, file);
    const changeTime = await changeTimeOf(path).catch((error: unknown) => {
      throw osError("stat", file, error);
    });
    const recorded = await readRecordedChecksum(path);
    const known = recorded?.changeTime === changeTime && recorded.checksum !== "" ? recorded : null;
    if (known !== null && !rehash) return known;
    const checksum = await hashFile(path, signal);
    if ((await changeTimeOf(path)) !== changeTime) {
      await unlink(checksumFile(path)).catch(() => undefined);
      throw new Error(`snapshot ${bareNameOf(file)} modification time is changed`);
    }
    // Nobody wrote, and yet it reads differently: the old checksum is of the right content.
    const silentlyCorrupted = known?.method === METHOD_CRC64 && known.checksum !== checksum;
    const result = { checksum: silentlyCorrupted ? known.checksum : checksum, silentlyCorrupted };
    const lastHashedAt = new Date().toISOString().replace(/\.\d+Z$/, "Z");
    await writeRecordedChecksum(path, { method: METHOD_CRC64, changeTime, lastHashedAt, ...result });
    return result;
  }

  /** Of the last job; when that is forgotten, what is recorded. */
  async status(name: string): Promise<HashStatus> {
    const file = snapshotFileOf(name);
    const job = this.jobs.get(file);
    if (job !== undefined) return job.status;
    const failed = (error: string): HashStatus => ({
      state: "error",
      checksum: "",
      error,
      silentlyCorrupted: false,
    });
    const path = join(this.directory, file);
    const recorded = await readRecordedChecksum(path);
    if (recorded === null) return failed(`open ${checksumFile(file)}: no such file or directory`);
    const changeTime = await changeTimeOf(path).catch(() => "");
    if (recorded.changeTime !== changeTime) return failed(`snapshot ${bareNameOf(file)} is changed`);
    const { checksum, silentlyCorrupted } = recorded;
    return { state: "complete", checksum, error: "", silentlyCorrupted };
  }

  /** A job that is not there is no error. */
  cancel(name: string): void {
    this.jobs.get(snapshotFileOf(name))?.abort.abort();
  }

  isLocked(): boolean {
    return this.lock.isHeld();
  }

  /** Forgets finished jobs. */
  reset(): void {
    for (const [file, { status }] of this.jobs) if (status.state !== "in_progress") this.jobs.delete(file);
  }

  async stop(): Promise<void> {
    for (const { abort } of this.jobs.values()) abort.abort();
    await this.last;
  }

  private forgetOld(state: HashStatus["state"]): void {
    const ended = [...this.jobs].filter(([, { status }]) => status.state === state);
    for (const [file] of ended.slice(0, -HASH_JOBS_KEPT)) this.jobs.delete(file);
  }
}
