/** ext4 and xfs on a block device: made, mounted, unmounted, checked by their own checkers. */
import { run } from "../tools/process.js";
import { unmount } from "../tools/unmount.js";

export const FILE_SYSTEMS = ["ext4", "xfs"] as const;
export type FileSystem = (typeof FILE_SYSTEMS)[number];

const MAKE = {
  // Nothing is left for the kernel to initialize later: it would be noise in what is counted.
  ext4: ["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0"],
  xfs: ["mkfs.xfs", "-q", "-f"],
} as const;

/** Both only look. */
const CHECK = {
  ext4: ["e2fsck", "-f", "-n"],
  xfs: ["xfs_repair", "-n"],
} as const;

export async function makeFileSystem(type: FileSystem, device: string): Promise<void> {
  const [command, ...args] = MAKE[type];
  await run(command, [...args, device]);
}

/** Replays the journal where one is left. Freed blocks are unmapped. */
export async function mount(type: FileSystem, device: string, mountPoint: string): Promise<void> {
  await run("mount", ["-t", type, "-o", "discard,noatime", device, mountPoint]);
}

export { unmount };

/** @throws with what the checker says, when it would repair anything. To be asked while nobody has it mounted */
export async function checkFileSystem(type: FileSystem, device: string): Promise<void> {
  const [command, ...args] = CHECK[type];
  await run(command, [...args, device]);
}
