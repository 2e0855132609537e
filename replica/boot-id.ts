/** Whether the page cache that held what was written is still there: it is gone with the boot of the machine, and with the disk. */
import { readFile, stat } from "node:fs/promises";
import { ReplicaError, systemError } from "./replica-error.js";

export const BOOT_ID_FILE = "/proc/sys/kernel/random/boot_id";

/** Between the boot and the disk. */
const SEPARATOR = "/";

/** Which boot of the machine, and which disk in it: one that drops out and is plugged in again is another one, although the boot is the same
 * (`diskseq` in Linux' Documentation/ABI/stable/sysfs-block). Where the file system's device is no disk, the boot alone.
 * @param file another file to read the boot's id from, for tests and for containers that hide /proc
 * @throws {ReplicaError} when there is none: guessing could hide a loss */
export async function readBootId(directory: string, file: string = BOOT_ID_FILE): Promise<string> {
  let text: string;
  try {
    text = (await readFile(file, "utf8")).trim();
  } catch (error) {
    throw systemError(error, "read the boot id from", file);
  }
  if (!/^[\w-]{1,64}$/.test(text)) throw new ReplicaError("DAMAGED", `${file} holds no boot id`);
  const sequence = await diskSequence(directory);
  return sequence === null ? text : `${text}${SEPARATOR}${sequence}`;
}

/** Where it is not known which disk it was, or is, the boot decides. */
export function isSameBoot(recorded: string, now: string): boolean {
  const [boot, disk] = recorded.split(SEPARATOR);
  const [bootNow, diskNow] = now.split(SEPARATOR);
  return boot === bootNow && (disk === undefined || diskNow === undefined || disk === diskNow);
}

/** @returns null: the device is no disk, or the kernel (before 5.15) does not number them */
async function diskSequence(directory: string): Promise<string | null> {
  const dev = BigInt((await stat(directory)).dev);
  // As `major` and `minor` of <sys/sysmacros.h>.
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn);
  const minor = (dev & 0xffn) | ((dev >> 12n) & ~0xffn);
  // Of no device: that of btrfs, overlayfs, tmpfs.
  if (major === 0n) return null;
  const device = `/sys/dev/block/${major}:${minor}`;
  // A partition's is its disk's.
  for (const path of [`${device}/diskseq`, `${device}/../diskseq`]) {
    const text = await readFile(path, "utf8").catch(() => "");
    if (/^\d+\n$/.test(text)) return text.trim();
  }
  return null;
}
