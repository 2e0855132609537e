/**
 * What is done about an interrupted operation when a directory is opened: ours are finished or undone, and so are those
 * of Longhorn that cannot be mistaken. Only these go: files of which no block was ever written, second names of data
 * that stay, halves of metadata that is there as a whole. Everything else is listed as left over, and stays.
 */
import { join } from "node:path";
import { checkAllParentsKnown, childrenByParent } from "../chain.js";
import { openDirectory, type ReplicaDirectory } from "../directory.js";
import { CHECKSUM_SUFFIX, META_SUFFIX } from "../disk-meta.js";
import { DATA_FILE_NAME, HEAD_NAME } from "../disk-names.js";
import { ASIDE_SUFFIX, statOrNull } from "../durable-file.js";
import { diskFiles, type Files } from "../files.js";
import { ReplicaError, systemError } from "../replica-error.js";
import { finishIntent } from "./intent.js";
import { dropDisk, NEXT_VOLUME_META } from "./new-head.js";

interface DataFile {
  name: string;
  isLive: boolean;
  /** null: there is only a meta */
  inode: number | null;
  blocks: number;
}

/** Finishes or undoes what was interrupted.
 * @returns the directory as it is then, and the names of the disks and files that went
 * @throws {ReplicaError} what `openDirectory` throws; `DAMAGED` when it cannot be told which of two heads is the newer */
export async function recover(
  path: string,
  files: Files = diskFiles,
): Promise<{ directory: ReplicaDirectory; removed: string[] }> {
  await finishIntent(path, files);
  const directory = await openDirectory(path);
  const disks = disksToDrop(directory, await dataFilesOf(directory));
  const halves = await halvesToDrop(directory, disks);
  if (disks.length + halves.length === 0) return { directory, removed: [] };
  try {
    for (const name of disks) await dropDisk(path, name, files);
    for (const name of halves) await files.unlink(join(path, name));
    await files.syncDirectory(path);
  } catch (error) {
    throw systemError(error, "remove what an interrupted operation left in", path);
  }
  return { directory: await openDirectory(path), removed: [...disks, ...halves] };
}

async function dataFilesOf({
  path,
  disks,
  damaged,
  chain,
  leftovers,
}: ReplicaDirectory): Promise<DataFile[]> {
  const live = new Set(chain);
  const withoutMeta = leftovers.filter((name) => DATA_FILE_NAME.test(name));
  const found: DataFile[] = [];
  for (const name of new Set([...disks.keys(), ...damaged.keys(), ...withoutMeta])) {
    const stat = await statOrNull(join(path, name));
    if (stat !== null && !stat.isFile()) continue;
    found.push({ name, isLive: live.has(name), inode: stat?.ino ?? null, blocks: stat?.blocks ?? 0 });
  }
  return found;
}

/** Pure: which disks are left over beyond doubt. */
function disksToDrop(directory: ReplicaDirectory, files: readonly DataFile[]): string[] {
  const { path, disks, meta } = directory;
  const children = childrenByParent(directory);
  const allKnown = areAllParentsKnown(directory);
  const isHead = ({ name }: DataFile) => HEAD_NAME.test(name);
  const head = files.find(({ name }) => name === meta.head)?.inode ?? null;
  const snapshots = new Set(
    files.filter((file) => !isHead(file) && disks.has(file.name)).map(({ inode }) => inode),
  );
  const asides = files.filter(({ isLive }) => !isLive);

  // Heads that are not the head: of an operation that was not committed, or the one before the present head.
  const isLeft = ({ name, inode, blocks }: DataFile) =>
    !children.has(name) && (blocks === 0 || (inode !== null && snapshots.has(inode)));
  const heads = allKnown ? asides.filter((file) => isHead(file) && isLeft(file)).map(({ name }) => name) : [];

  // Snapshots that are the present head's file: not committed either.
  const uncommitted = asides.filter((file) => !isHead(file) && file.inode !== null && file.inode === head);
  for (const { name } of uncommitted) {
    const others = (children.get(name) ?? []).filter((child) => !heads.includes(child));
    if (others.length > 0 || !allKnown) {
      throw new ReplicaError("DAMAGED", `${join(path, meta.head)} is the head and, as ${name}, the parent of ${others.join(", ") || "an unreadable disk"}: which of them is newer cannot be told`); // prettier-ignore
    }
  }
  return [...heads, ...uncommitted.map(({ name }) => name)];
}

function areAllParentsKnown(directory: ReplicaDirectory): boolean {
  try {
    checkAllParentsKnown(directory);
    return true;
  } catch {
    return false;
  }
}

/** Files that were to replace others, which are there. */
async function halvesToDrop(
  { path, leftovers }: ReplicaDirectory,
  dropped: readonly string[],
): Promise<string[]> {
  const halves: string[] = [];
  for (const name of leftovers.filter((name) => name.endsWith(ASIDE_SUFFIX))) {
    const half = await statOrNull(join(path, name));
    if (half?.isFile() !== true) continue;
    const whole = name.slice(0, -ASIDE_SUFFIX.length).replace(/\.$/, ""); // checksum files have two dots
    const data = whole.endsWith(META_SUFFIX) ? whole.slice(0, -META_SUFFIX.length) : null;
    if (data !== null && dropped.includes(data)) continue; // goes with its disk
    const isOurs = whole.startsWith("aurochs.") || name === NEXT_VOLUME_META;
    const isSecondName = DATA_FILE_NAME.test(whole) && half.nlink > 1;
    const isMetadata = data !== null || whole.endsWith(CHECKSUM_SUFFIX);
    const original = await statOrNull(join(path, whole));
    if (isOurs || isSecondName || (isMetadata && original !== null && original.size > 0)) halves.push(name);
  }
  return halves;
}
