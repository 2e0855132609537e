/** File systems: made where there is nothing, checked, and grown to their device. */
import { refused } from "../errors.js";
import { FILE_SYSTEM_TIMEOUT_MS } from "../limits.js";
import type { Commands } from "./commands.js";
import { contentOf, removeMark, setMark } from "./content.js";

const EXT = new Set(["ext2", "ext3", "ext4"]);

/** None discards: a new volume has nothing to be discarded, and the mark has to stay until the end. */
const MAKE: Record<string, readonly string[]> = {
  ext2: ["-q", "-F", "-E", "nodiscard", "-b4096"],
  ext3: ["-q", "-F", "-E", "nodiscard", "-b4096"],
  ext4: ["-q", "-F", "-E", "nodiscard", "-b4096"],
  xfs: ["-q", "-f", "-K", "-ssize=4096", "-bsize=4096"],
};

/** Exit codes of e2fsck: nothing to do, errors corrected. */
const CHECKED = [0, 1];

export interface FileSystemWanted {
  device: string;
  /** whose mark counts */
  volume: string;
  type: string;
  /** more arguments for its mkfs */
  parameters: readonly string[];
}

/** Makes it on a device that holds nothing; one that is there stays as it is, and is checked.
 * @throws {RpcError} FAILED_PRECONDITION: the device holds something else */
export async function prepareFileSystem(commands: Commands, wanted: FileSystemWanted): Promise<void> {
  const { device, volume, type } = wanted;
  const found = await contentOf(commands, device, volume);
  if (found.type === null) {
    await setMark(device, volume);
    await commands.run(`mkfs.${type}`, [...(MAKE[type] ?? []), ...wanted.parameters, device], { timeoutMs: FILE_SYSTEM_TIMEOUT_MS }); // prettier-ignore
    await removeMark(device, volume);
    return;
  }
  if (found.type !== type && !(EXT.has(type) && EXT.has(found.type)))
    throw refused(`${device} holds ${found.type}, where ${type} is wanted: it is neither formatted nor mounted`); // prettier-ignore
  if (found.isMarked) await removeMark(device, volume);
  // Replays the journal, and repairs what is safely repaired; xfs does that when it is mounted.
  if (EXT.has(found.type))
    await commands.run("e2fsck", ["-p", device], { accepts: CHECKED, timeoutMs: FILE_SYSTEM_TIMEOUT_MS });
}

/** Of all that take them, and of xfs what lets copies of one file system be mounted beside each other. */
export function mountOptions(type: string, flags: readonly string[]): string[] {
  return type === "xfs" && !flags.includes("nouuid") ? [...flags, "nouuid"] : [...flags];
}

/** Makes a mounted file system as large as its device; it may be that already. */
export async function growFileSystem(
  commands: Commands,
  { device, path, type }: { device: string; path: string; type: string },
): Promise<void> {
  const options = { timeoutMs: FILE_SYSTEM_TIMEOUT_MS };
  if (EXT.has(type)) await commands.run("resize2fs", [device], options);
  else if (type === "xfs") await commands.run("xfs_growfs", ["-d", path], options);
  else if (type === "btrfs") await commands.run("btrfs", ["filesystem", "resize", "max", path], options);
}
