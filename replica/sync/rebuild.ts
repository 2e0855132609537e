/** FilesSync: every snapshot of another replica, with its meta, comes here. */
import { status } from "@grpc/grpc-js";
import { readdir, unlink } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import { SyncAgentService, type FilesSyncRequest, type SyncFileInfo } from "../../proto/longhorn.js";
import { RpcError, withContext } from "../../proto/rpc-error.js";
import { unaryClient } from "../../proto/unary.js";
import { isThere } from "../durable-file.js";
import { bareHost, syncAgentAddress } from "./addresses.js";
import { FILES_PER_SYNC_MAX, LONG_CALL_TIMEOUT_MS, TRIES_PER_FILE, TRY_PAUSE_MS } from "./limits.js";
import { checkQuietFileName, isMetaFile, RECEIVING_SUFFIX } from "./names.js";
import type { Receivers } from "./receivers.js";
import { Run } from "./run-status.js";

/** What no second try can change. */
const FINAL = new Set([status.FAILED_PRECONDITION, status.UNIMPLEMENTED, status.INVALID_ARGUMENT]);

export class Rebuild {
  readonly run = new Run();
  private sources_: readonly string[] = [];

  constructor(
    private readonly directory: string,
    private readonly receivers: Receivers,
    private readonly volumeName: string | undefined,
    private readonly log: Logger,
  ) {}

  /** Addresses of the last run, as they were given. */
  get sources(): readonly string[] {
    return this.sources_;
  }

  reset(): void {
    this.run.reset();
    if (!this.run.status.isRunning) this.sources_ = [];
  }

  /** @param admit rejects when what is under way is not to go on: whoever asked for it may have been taken over from since
   * @throws {Error} when it is under way already; what went wrong, with the code of the call that failed */
  async sync(request: FilesSyncRequest, admit: () => Promise<void>): Promise<void> {
    if (this.run.status.isRunning) throw new Error("replica is already rebuilding");
    const { syncFileInfoList: files } = request;
    const several = Object.keys(request.fromAddressMap);
    this.sources_ = several.length > 0 ? several : [request.fromAddress];
    const total = files.reduce((sum, { actualSize }) => sum + actualSize, 0);
    await this.run.run(total, async () => {
      checkFiles(files);
      await this.removeLeftovers(files);
      // Data first: a meta without its data would be a damaged disk. Metas in the order given: a child that came before its
      // parent would be one as well.
      const { sources } = this;
      await this.syncAll(
        files.filter(({ toFileName }) => !isMetaFile(toFileName)),
        sources,
        request,
        admit,
      );
      await this.syncAll(
        files.filter(({ toFileName }) => isMetaFile(toFileName)),
        sources.slice(0, 1),
        request,
        admit,
      );
    });
    this.log.info({ files: files.length, from: this.sources_ }, "files synced");
  }

  /** One file after the other from each source. */
  private async syncAll(
    files: readonly SyncFileInfo[],
    sources: readonly string[],
    request: FilesSyncRequest,
    admit: () => Promise<void>,
  ): Promise<void> {
    const queue = files.values();
    let failed: unknown = null;
    const work = async (source: string) => {
      for (const file of queue) {
        if (failed !== null) return;
        try {
          await this.syncOne(file, source, request, admit);
        } catch (error) {
          failed ??= error;
        }
      }
    };
    await Promise.all(sources.map(work));
    if (failed !== null) throw failed as Error;
  }

  private async syncOne(
    file: SyncFileInfo,
    preferred: string,
    request: FilesSyncRequest,
    admit: () => Promise<void>,
  ): Promise<void> {
    const sources = [preferred, ...this.sources_.filter((source) => source !== preferred)];
    for (let tries = 0; ; tries++) {
      const source = sources[tries % sources.length] ?? preferred;
      try {
        // Not before others are told that files are being synced: an engine that is recorded from here on finds that out.
        await admit();
        await this.fetch(file, source, request, admit);
        return;
      } catch (error) {
        const isFinal = error instanceof RpcError && FINAL.has(error.code);
        if (tries + 1 >= TRIES_PER_FILE || isFinal) throw error;
        this.log.warn(
          { err: error, file: file.toFileName, source },
          "file did not arrive, it is asked for again",
        );
        await sleep(TRY_PAUSE_MS);
      }
    }
  }

  private async fetch(
    { fromFileName, toFileName, actualSize }: SyncFileInfo,
    source: string,
    request: FilesSyncRequest,
    admit: () => Promise<void>,
  ): Promise<void> {
    // Files without a size of their own (metas) are not counted.
    const count = (bytes: number) => actualSize > 0 && this.run.advance(bytes);
    const { receiver, file } = await this.receivers
      .launch(toFileName, "owner", count)
      .catch((error: unknown) => {
        throw withContext(`failed to launch receiver for file ${toFileName}`, error);
      });
    const to = { host: bareHost(request.toHost), port: receiver.port };
    const { calls, close } = unaryClient(SyncAgentService, syncAgentAddress(source), {
      volumeName: this.volumeName,
    });
    try {
      const { fastSync, fileSyncHttpClientTimeout, grpcTimeoutSeconds } = request;
      const timeoutMs = grpcTimeoutSeconds > 0 ? grpcTimeoutSeconds * 1_000 : LONG_CALL_TIMEOUT_MS;
      await calls.fileSend({ fromFileName, ...to, fastSync, fileSyncHttpClientTimeout }, { timeoutMs });
    } catch (error) {
      await receiver.stop();
      // It may have been told that the transfer is over; only the sender knows whether that is so.
      await file.abandon();
      throw withContext(
        `replica ${source} failed to send file ${toFileName} to ${to.host}:${to.port}`,
        error,
      );
    } finally {
      close();
    }
    const end = await receiver.ended;
    if (end.end !== "closed")
      throw new Error(`file ${toFileName} was sent, but not received`, { cause: end });
    try {
      await file.verify(end.claim);
      await admit();
    } catch (error) {
      await file.abandon();
      throw withContext(`replica ${source}`, error);
    }
    await file.commit(end.claim);
    if (!(await isThere(join(this.directory, toFileName))))
      throw new Error(`replica ${source} sent file ${toFileName} without its content`);
    this.log.info({ file: toFileName, from: source, ...file.transferred }, "file synced");
  }

  /** What earlier transfers left, unless this one goes on with it, or it says that a file that is here is not whole. */
  private async removeLeftovers(files: readonly SyncFileInfo[]): Promise<void> {
    const wanted = new Set([...files.map(({ toFileName }) => toFileName), ...this.receivers.names]);
    for (const name of await readdir(this.directory)) {
      const file = name.slice(0, -RECEIVING_SUFFIX.length);
      if (!name.endsWith(RECEIVING_SUFFIX) || wanted.has(file)) continue;
      if (await isThere(join(this.directory, file))) continue;
      await unlink(join(this.directory, name));
      this.log.info({ file: name }, "a broken transfer's file was removed");
    }
  }
}

function checkFiles(files: readonly SyncFileInfo[]): void {
  if (files.length > FILES_PER_SYNC_MAX) throw new Error(`${files.length} files are too many`);
  for (const { fromFileName, toFileName } of files) {
    checkQuietFileName(fromFileName);
    checkQuietFileName(toFileName);
  }
  const names = new Set(files.map(({ toFileName }) => toFileName));
  if (names.size < files.length) throw new Error("a file is named twice");
}
