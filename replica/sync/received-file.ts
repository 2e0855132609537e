/**
 * A file that is being received. One that is new here lies under its name with `.receiving` behind it until all of it is
 * durable, and a later transfer goes on with what is left of a broken one. One that is here already is changed in place,
 * so that only what differs has to come; an empty `.receiving` beside it says that it cannot be relied on meanwhile. But one
 * whose data has another name as well, as what a failing disk has left of a snapshot, is received like a new one: what is
 * under the other name is not to be changed.
 *
 * Whoever finds a `.receiving` does not know why its transfer ended. If a sync failed, by whomever, the kernel reads what it
 * dropped from the page cache as if it were on the disk, so that it compares as equal, and no later sync writes it. So of such
 * a file nothing counts as being here until it has been written again, to blocks of its own: ext4 still thinks of the
 * old ones as written when it has not been able to note on the disk that they are.
 */
import { createHash } from "node:crypto";
import { open, rename, unlink, type FileHandle } from "node:fs/promises";
import { dirname, join } from "node:path";
import { punchHole, type FileReceiver, type NativeError } from "../../native/index.js";
import { isThere, readWholeFile, statOrNull, syncDirectory } from "../durable-file.js";
import { allocatedRuns, freeForRewrite, readExactly } from "../file-runs.js";
import { ReplicaError } from "../replica-error.js";
import { Serial } from "../serial.js";
import {
  changeTimeOf,
  checksumFile,
  METHOD_CRC64,
  parseChecksumFile,
  writeRecordedChecksum,
} from "../checksum-file.js";
import { Coverage } from "./coverage.js";
import { CHECKSUM_FILE_BYTES_MAX, EXTENT_SLACK, SYNC_BYTES } from "../limits.js";
import { bytesOf, holesOf, type Extent } from "./extents.js";
import { hashFile } from "./hash-file.js";
import { layoutOf } from "./layout.js";
import { EXTENT_WRITES, RANGE_BYTES_MAX } from "./limits.js";
import { isMetaFile, RECEIVING_SUFFIX } from "./names.js";
import { osError } from "./os-text.js";
import type { Range } from "./query.js";
import { openFileSource } from "./source.js";

const DIRECT_IO_BLOCK = 4096;

/** What the sender says of the whole content; both "" when it does not know. */
export interface ChecksumClaim {
  method: string;
  checksum: string;
}

interface Opened {
  state: "open";
  file: FileHandle;
  size: number;
  /** the file was here before: parts of it may be right */
  existed: boolean;
  /** nothing was in it */
  empty: boolean;
  /** "" when it is changed in place */
  aside: string;
  /** an earlier transfer was not committed: what is right is written again */
  isDoubtful: boolean;
}

// waiting --open--> open --finish--> finished --commit--> ended      waiting, open, finished --abandon--> ended
type State =
  { state: "waiting" } | Opened | { state: "finished"; opened: Opened | null } | { state: "ended" };

/** Takes what comes past HTTP: `receive` and `cancel` of the addon's FileReceiver. */
export type FrameReceiver = Pick<FileReceiver, "receive" | "cancel">;

/** There is no such thing: not an error of the receiver. */
export class NotRecorded extends Error {
  override readonly name = "NotRecorded";
}

export class ReceivedFile {
  private state: State = { state: "waiting" };
  private readonly covered = new Coverage();
  /** ranges whose checksum was told and that were not sent afterwards, by their beginning: they were here, and right */
  private readonly told = new Map<number, number>();
  private received_ = 0;
  private readonly underWay = new Set<Promise<unknown>>();
  private unsynced = 0;
  private syncing: Promise<void> | null = null;
  private syncError: { cause: unknown } | null = null;
  /** what was to be written over something whose checksum had been told */
  private changeError: { cause: unknown } | null = null;
  private finishing: Promise<void> | null = null;
  /** where what is here is written again: a request that comes twice must not put back what has changed meanwhile */
  private readonly inTurn = new Serial();
  /** what is to come by frames: ends before anything else ends */
  private frames: { by: FrameReceiver; ended: Promise<Error | null> } | null = null;

  /** @param name checked by `names.ts`
   * @param onProgress bytes that need no further look */
  constructor(
    private readonly directory: string,
    readonly fileName: string,
    private readonly onProgress: (bytes: number) => void = () => undefined,
  ) {}

  /** Bytes that came, and bytes that were here already. */
  get transferred(): { receivedBytes: number; reusedBytes: number } {
    const reusedBytes = [...this.told.values()].reduce((sum, bytes) => sum + bytes, 0);
    return { receivedBytes: this.received_, reusedBytes };
  }

  private get path(): string {
    return join(this.directory, this.fileName);
  }

  /** Idempotent.
   * @returns whether the file existed before */
  async open(size: number, directIo: boolean): Promise<boolean> {
    if (directIo && size % DIRECT_IO_BLOCK !== 0) throw new Error(`invalid file size ${size} for directIO`);
    if (this.state.state === "open") {
      if (this.state.size !== size) throw new Error(`${this.fileName} is open with ${this.state.size} bytes`);
      return this.state.existed;
    }
    if (this.state.state !== "waiting") throw new Error(`${this.fileName} is closed`);
    return this.track(this.begin(size));
  }

  /** From now on all of the file may come by frames, if nothing was in it. Idempotent.
   * @returns whether it may */
  receiveBy(by: FrameReceiver): boolean {
    const { file, size, empty } = this.opened();
    if (!empty) return false;
    if (this.frames !== null) return true;
    const ended = by.receive(file.fd, size, this.fileName, this.onProgress).then(
      (bytes) => {
        // Only as a whole: what failed on the way may have failed anywhere.
        this.covered.add(0, size);
        this.received_ += bytes;
        return null;
      },
      // A sender that used none of them is one as well.
      (error: unknown) => ((error as NativeError).code === "ABORTED" ? null : (error as NativeError)),
    );
    this.frames = { by, ended };
    return true;
  }

  /** @returns why they did not come whole, if any came */
  private async endFrames(): Promise<Error | null> {
    if (this.frames === null) return null;
    this.frames.by.cancel();
    return this.frames.ended;
  }

  private async begin(size: number): Promise<boolean> {
    const aside = this.path + RECEIVING_SUFFIX;
    let file: FileHandle | null = null;
    try {
      const exists = (await statOrNull(this.path))?.nlink === 1;
      const inPlace = exists && !isMetaFile(this.fileName);
      const isDoubtful = (await isThere(aside)) && !isMetaFile(this.fileName);
      const resumes = !exists && isDoubtful;
      if (inPlace) {
        await (await open(aside, "w", 0o644)).close();
        await syncDirectory(this.directory);
        file = await open(this.path, "r+");
      } else {
        file = await open(aside, resumes ? "r+" : "w+", 0o644);
      }
      // The same size again would count as a change of the file.
      if ((await file.stat()).size !== size) await file.truncate(size);
      const existed = exists || resumes;
      const empty = !existed || (await allocatedRuns(file, size).next()).done === true;
      this.state = { state: "open", file, size, existed, empty, aside: inPlace ? "" : aside, isDoubtful };
      return existed;
    } catch (error) {
      await file?.close();
      throw osError("failed to open", this.fileName, error);
    }
  }

  async write(asked: Range, data: Uint8Array): Promise<void> {
    const opened = this.opened();
    const { begin, end } = within(asked, opened.size);
    if (data.length !== end - begin)
      throw new Error(`received ${data.length} bytes for the ${end - begin} bytes from ${begin}`);
    await this.change(() => put(opened, data, begin, this.fileName));
    this.covered.add(begin, end);
    this.told.delete(begin);
    this.received_ += end - begin;
    if (!opened.existed) this.onProgress(end - begin);
    await this.syncBehind(opened.file, end - begin);
  }

  /** All of a range: its extents, and the holes between them. */
  async writeExtents(asked: Range, { extents, data }: { extents: Extent[]; data: Buffer }): Promise<void> {
    const opened = this.opened();
    const { begin, end } = within(asked, opened.size);
    const bytes = bytesOf(extents);
    if (data.length !== bytes) throw new Error(`received ${data.length} bytes for extents of ${bytes} bytes`);
    checkInside(extents, end);
    await this.change(() => putExtents(opened, { begin, end }, extents, data, this.fileName));
    this.covered.add(begin, end);
    this.told.delete(begin);
    this.received_ += bytes;
    if (!opened.existed) this.onProgress(bytes);
    await this.syncBehind(opened.file, bytes);
  }

  async hole(asked: Range): Promise<void> {
    const opened = this.opened();
    const { begin, end } = within(asked, opened.size);
    if (end > begin) await this.change(() => punchHole(opened.file.fd, begin, end - begin));
    this.covered.add(begin, end);
  }

  /** @returns SHA-512; null unless one extent covers the whole range */
  async checksum(asked: Range): Promise<Buffer | null> {
    const opened = this.opened();
    const { begin, end } = within(asked, opened.size);
    if (end - begin > RANGE_BYTES_MAX) throw new Error(`range of ${end - begin} bytes is too long`);
    return this.compare({ begin, end }, [{ offset: begin, length: end - begin }]);
  }

  /** @returns SHA-512 of the extents' content, one after the other; null unless these are what is allocated in the range */
  async checksumOfExtents(asked: Range, extents: readonly Extent[]): Promise<Buffer | null> {
    const opened = this.opened();
    const range = within(asked, opened.size);
    const bytes = bytesOf(extents);
    if (bytes > RANGE_BYTES_MAX) throw new Error(`extents of ${bytes} bytes are too long`);
    checkInside(extents, range.end);
    return this.compare(range, extents);
  }

  private async compare(range: Range, extents: readonly Extent[]): Promise<Buffer | null> {
    const opened = this.opened();
    const bytes = bytesOf(extents);
    const hash = await this.change(() => hashOfExtents(opened, range, extents, this.fileName));
    if (hash !== null) {
      this.covered.add(range.begin, range.end);
      this.told.set(range.begin, bytes);
    }
    if (opened.existed) this.onProgress(bytes);
    if (hash !== null && opened.isDoubtful) await this.syncBehind(opened.file, bytes);
    return hash;
  }

  /** The text of the `.checksum` file.
   * @param layout of the sender's file; null when it does not tell
   * @throws {NotRecorded} also when the file does not count as whole, or has holes elsewhere: whatever its checksum, it has to be looked at;
   * {Error} when the file was changed since */
  async recordedMetadata(layout: string | null): Promise<string> {
    if (await isPartial(this.directory, this.fileName))
      throw new NotRecorded(`${this.fileName} is incomplete`);
    const from = checksumFile(this.path);
    let text: string;
    try {
      text = await readWholeFile(from, CHECKSUM_FILE_BYTES_MAX);
    } catch (error) {
      if (!(error instanceof ReplicaError) || error.code !== "MISSING") throw error;
      throw new NotRecorded(`open ${checksumFile(this.fileName)}: no such file or directory`);
    }
    const { changeTime: expected, silentlyCorrupted } = parseChecksumFile(text, from);
    // Else the sender would find nothing to do.
    if (silentlyCorrupted) throw new Error(`disk file ${this.fileName} is silently corrupted`);
    const current = await changeTimeOf(this.path).catch((error: unknown) => {
      throw osError("stat", this.fileName, error);
    });
    if (current !== expected)
      throw new Error(
        `disk file ${this.fileName} is changed (current change time ${current}, expected change time ${expected})`,
      );
    if (layout !== null && layout !== (await this.layoutHere()))
      throw new NotRecorded(`${this.fileName} has holes elsewhere`);
    return text;
  }

  private async layoutHere(): Promise<string> {
    const source = await openFileSource(this.directory, this.fileName);
    return layoutOf(source).finally(() => source.close());
  }

  /** Makes durable what came, and takes nothing more. Idempotent: one that failed has failed, since a second sync would
   * succeed without what the first one dropped. */
  async finish(): Promise<void> {
    if (this.state.state === "ended") throw new Error(`${this.fileName} is closed`);
    await (this.finishing ??= this.makeDurable());
  }

  private async makeDurable(): Promise<void> {
    const broken = await this.endFrames();
    if (broken !== null) throw broken;
    await this.untilIdle();
    const opened = this.state.state === "open" ? this.state : null;
    this.state = { state: "finished", opened };
    await opened?.file.sync();
    // Of several syncs at a time one is told of a failure.
    await this.untilIdle();
    if (this.syncError !== null) throw this.syncError.cause;
  }

  /** @throws when a part of the file was never dealt with, or not as it was to be */
  checkComplete(): void {
    if (this.state.state !== "finished" || this.state.opened === null) return;
    if (this.changeError !== null) throw this.changeError.cause;
    const gap = this.covered.firstGap(this.state.opened.size);
    if (gap !== null) throw new Error(`${this.fileName} is incomplete: byte ${gap} was never received`);
  }

  /** After `finish`: nobody is given what does not have the checksum that was recorded of it, since it has rotted. A file without one is
   * taken as it is.
   * @throws {Error} it has another one */
  async verify({ method, checksum }: ChecksumClaim): Promise<void> {
    if (this.state.state !== "finished") throw new Error(`${this.fileName} is not finished`);
    const { opened } = this.state;
    if (opened === null || method !== METHOD_CRC64) return;
    const found = await hashFile(
      opened.aside === "" ? this.path : opened.aside,
      new AbortController().signal,
    );
    if (found === checksum) return;
    throw new Error(
      `${this.fileName} has rotted where it came from: its checksum is ${found}, ${checksum} was recorded`,
    );
  }

  /** After `finish`: the file is whole and stands under its name, durably. Nothing is done when it was never opened. */
  async commit(claim: ChecksumClaim): Promise<void> {
    if (this.state.state !== "finished") throw new Error(`${this.fileName} is not finished`);
    await this.finishing;
    const { opened } = this.state;
    this.state = { state: "ended" };
    if (opened === null) return;
    await opened.file.close();
    const aside = this.path + RECEIVING_SUFFIX;
    if (opened.aside === "") await unlink(aside);
    else await rename(opened.aside, this.path);
    await syncDirectory(dirname(this.path));
    if (claim.method === "" || claim.checksum === "" || isMetaFile(this.fileName)) return;
    // Renaming has changed it.
    const changeTime = await changeTimeOf(this.path);
    const rest = { lastHashedAt: "", silentlyCorrupted: false };
    await writeRecordedChecksum(this.path, { ...claim, changeTime, ...rest });
  }

  /** What came stays for the next transfer, never under the file's name. Idempotent. */
  async abandon(): Promise<void> {
    const { state } = this;
    this.state = { state: "ended" };
    await this.endFrames();
    await this.untilIdle();
    const opened = state.state === "open" ? state : state.state === "finished" ? state.opened : null;
    if (opened === null) return;
    await opened.file.close();
    if (isMetaFile(this.fileName)) await unlink(opened.aside);
  }

  private opened(): Opened {
    if (this.state.state !== "open") throw new Error(`${this.fileName} is not open`);
    return this.state;
  }

  private async untilIdle(): Promise<void> {
    while (this.underWay.size > 0) await Promise.allSettled(this.underWay);
  }

  private async change<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await this.track(this.opened().isDoubtful ? this.inTurn.always(work) : work());
    } catch (cause) {
      this.changeError ??= { cause };
      throw cause;
    }
  }

  private async track<T>(work: Promise<T>): Promise<T> {
    this.underWay.add(work);
    try {
      return await work;
    } finally {
      this.underWay.delete(work);
    }
  }

  /** Lets the disk keep up: at most twice SYNC_BYTES wait for it. */
  private async syncBehind(file: FileHandle, bytes: number): Promise<void> {
    this.unsynced += bytes;
    if (this.unsynced < SYNC_BYTES) return;
    await this.syncing;
    if (this.unsynced < SYNC_BYTES) return;
    this.unsynced = 0;
    const sync = file.datasync();
    this.syncing = sync;
    // Whoever waits for it is told; it may be that nobody does before the end.
    void this.track(sync).catch((cause: unknown) => (this.syncError ??= { cause }));
  }
}

/** A file system tells extents in whole blocks: the last one may pass the end of the file. */
function within({ begin, end }: Range, size: number): Range {
  if (begin > size || end > size + EXTENT_SLACK)
    throw new RangeError(`range ${begin}-${end} passes the end of the file (${size} bytes)`);
  return { begin, end: Math.min(end, size) };
}

/** @throws {RangeError} */
function checkInside(extents: readonly Extent[], end: number): void {
  const last = extents.at(-1);
  if (last !== undefined && last.offset + last.length > end)
    throw new RangeError(`an extent of ${last.length} bytes at ${last.offset} passes byte ${end}`);
}

async function putExtents(
  opened: Opened,
  range: Range,
  extents: readonly Extent[],
  data: Buffer,
  name: string,
): Promise<void> {
  // A file that is new has holes where nothing was written.
  if (opened.existed) {
    for (const { offset, length } of holesOf(range, extents)) await punchHole(opened.file.fd, offset, length);
  }
  let from = 0;
  const writes = extents.map(({ offset, length }) => {
    const part = data.subarray(from, (from += length));
    return () => put(opened, part, offset, name);
  });
  for (let i = 0; i < writes.length; i += EXTENT_WRITES)
    await Promise.all(writes.slice(i, i + EXTENT_WRITES).map((write) => write()));
}

async function hashOfExtents(
  opened: Opened,
  range: Range,
  extents: readonly Extent[],
  name: string,
): Promise<Buffer | null> {
  const { file } = opened;
  const there: Extent[] = [];
  for await (const [offset, length] of allocatedRuns(file, range.end, range.begin)) {
    there.push({ offset, length });
    if (there.length > extents.length) return null;
  }
  const same = ({ offset, length }: Extent, i: number) =>
    extents[i]?.offset === offset && extents[i].length === length;
  if (there.length !== extents.length || !there.every(same)) return null;
  const hash = createHash("sha512");
  for (const { offset, length } of extents) {
    const data = await readExactly(file, offset, length);
    hash.update(data);
    if (opened.isDoubtful) await put(opened, data, offset, name);
  }
  return hash.digest();
}

async function put(
  { file, size, isDoubtful }: Opened,
  data: Uint8Array,
  offset: number,
  name: string,
): Promise<void> {
  if (isDoubtful && data.length > 0) await freeForRewrite(file, offset, data.length, size);
  try {
    for (let done = 0; done < data.length;) {
      const { bytesWritten } = await file.write(data, done, data.length - done, offset + done);
      done += bytesWritten;
    }
  } catch (error) {
    throw osError("write", name, error);
  }
}

/** Is this file here, but only in parts?
 * @throws {ReplicaError} that cannot be told */
export function isPartial(directory: string, name: string): Promise<boolean> {
  return isThere(join(directory, name + RECEIVING_SUFFIX));
}
