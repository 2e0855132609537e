/**
 * What a device holds. Only one that holds nothing may be formatted, and a format that was cut off begins anew: a mark, written
 * before and removed after, says that there has never been anything else. It lies where neither mke2fs nor mkfs.xfs nor
 * cryptsetup writes: they clear the last 128 KiB at most.
 */
import { constants } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { notNow, refused } from "../errors.js";
import { BLANK_BYTES } from "../limits.js";
import type { Commands } from "./commands.js";
import { deviceSize } from "./device.js";

export interface Content {
  /** as libblkid names it: "ext4", "crypto_LUKS"; null: nothing */
  type: string | null;
  /** a format of it has begun, and perhaps not ended */
  isMarked: boolean;
}

const MARK_BYTES = 4096;
const MARK_FROM_END = 1 << 20;
const MARK = "aurochs: a format of this volume has begun and not ended: ";

/** @param volume whose mark counts
 * @throws {RpcError} FAILED_PRECONDITION: it holds something that is not known, or several things; ABORTED: it is in use */
export async function contentOf(commands: Commands, device: string, volume: string): Promise<Content> {
  const size = await deviceSize(device);
  // What was written past the device's own cache, by a mapper on it, has to be seen.
  await commands.run("blockdev", ["--flushbufs", device]);
  const types = await signatures(commands, device);
  return examine(device, async (file) => {
    const isMarked = (await read(file, size - MARK_FROM_END, MARK_BYTES)).equals(markOf(volume));
    if (types.length > 1)
      throw refused(`${device} holds several things (${types.join(", ")}): it is neither formatted nor mounted`); // prettier-ignore
    const [type] = types;
    if (type !== undefined) {
      const isWhole = !isMarked || (await isComplete(file, type));
      return { type: isWhole ? type : null, isMarked };
    }
    if (!isMarked && !(await isBlank(file, size)))
      throw refused(`${device} holds data that are not known: it is not formatted. If nobody needs them: wipe its first and last MiB`); // prettier-ignore
    return { type: null, isMarked };
  });
}

/** From now on it is known that there was nothing before.
 * @throws {RpcError} ABORTED: it is in use */
export function setMark(device: string, volume: string): Promise<void> {
  return change(device, () => markOf(volume));
}

/** Where the mark still is: what has been written over it stays. */
export function removeMark(device: string, volume: string): Promise<void> {
  return change(device, (found) => (found.equals(markOf(volume)) ? Buffer.alloc(MARK_BYTES) : null));
}

async function change(device: string, make: (found: Buffer) => Buffer | null): Promise<void> {
  const at = (await deviceSize(device)) - MARK_FROM_END;
  await examine(
    device,
    async (file) => {
      const next = make(await read(file, at, MARK_BYTES));
      if (next === null) return;
      await file.write(next, 0, MARK_BYTES, at);
      await file.sync();
    },
    constants.O_RDWR,
  );
}

function markOf(volume: string): Buffer {
  return Buffer.concat([Buffer.from(`${MARK}${volume}\n`)], MARK_BYTES);
}

/** Opened for us alone: a program that an earlier life of ours began may still format it, and others may have it mounted. */
async function examine<T>(
  device: string,
  work: (file: FileHandle) => Promise<T>,
  flags = constants.O_RDONLY,
): Promise<T> {
  const file = await open(device, flags | constants.O_EXCL).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === "EBUSY")
      throw notNow(`${device} is in use: it is mounted, or being formatted`);
    throw error;
  });
  try {
    return await work(file);
  } finally {
    await file.close();
  }
}

async function read(file: FileHandle, offset: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await file.read(buffer, 0, length, Math.max(0, offset));
  return buffer.subarray(0, bytesRead);
}

async function isBlank(file: FileHandle, size: number): Promise<boolean> {
  for (const offset of [0, size - BLANK_BYTES]) {
    const part = await read(file, offset, BLANK_BYTES);
    if (part.some((byte) => byte !== 0)) return false;
  }
  return true;
}

/** What is found anywhere on it by all that libblkid knows. */
async function signatures(commands: Commands, device: string): Promise<string[]> {
  const { stdout } = await commands.run("wipefs", ["--json", device]);
  if (stdout.trim() === "") return [];
  const { signatures } = JSON.parse(stdout) as { signatures: { type: string }[] };
  return [...new Set(signatures.map(({ type }) => type))];
}

/** Whether a format got to its end: ext4 has its superblock written last, xfs's says so, LUKS has a key then. */
async function isComplete(file: FileHandle, type: string): Promise<boolean> {
  if (type === "xfs") return (await read(file, XFS_IN_PROGRESS, 1))[0] === 0;
  if (type === "crypto_LUKS") return luksHasKey(await read(file, 0, LUKS_JSON_END));
  return true;
}

/** Byte of `sb_inprogress` in xfs's superblock. */
const XFS_IN_PROGRESS = 126;

/** LUKS2: the binary header has 4 KiB, the JSON area ends at the 16th KiB by default. */
const LUKS_JSON_START = 4096;
const LUKS_JSON_END = 16 << 10;

function luksHasKey(header: Buffer): boolean {
  const area = header.subarray(LUKS_JSON_START);
  const end = area.indexOf(0);
  try {
    const { keyslots = {} } = JSON.parse(area.toString("utf8", 0, end < 0 ? area.length : end)) as {
      keyslots?: object;
    };
    return Object.keys(keyslots).length > 0;
  } catch {
    return false;
  }
}
