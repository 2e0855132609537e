/** What a replica directory reads as, at its head and at each of its snapshots: told from the files alone. */
import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { chainFrom } from "../../replica/chain.js";
import { openDirectory, type ReplicaDirectory } from "../../replica/directory.js";
import { allocatedRuns, readExactly } from "../../replica/file-runs.js";

/** Without those that are marked as removed: what is read there changes when they are merged.
 * @returns SHA-256 by snapshot's file name, and by "head" */
export async function viewsOf(path: string): Promise<Record<string, string>> {
  const directory = await openDirectory(path);
  const views: Record<string, string> = {};
  for (const [name, { removed }] of directory.disks) {
    if (removed) continue;
    const content = await contentAt(name, directory);
    const key = name === directory.meta.head ? HEAD : name;
    views[key] = createHash("sha256").update(content).digest("hex");
  }
  return views;
}

const HEAD = "head";

/** All that is read at the head. */
export async function headContent(path: string): Promise<Buffer> {
  const directory = await openDirectory(path);
  return contentAt(directory.meta.head, directory);
}

async function contentAt(name: string, directory: ReplicaDirectory): Promise<Buffer> {
  const content = Buffer.alloc(directory.meta.size);
  for (const layer of chainFrom(name, directory).reverse())
    await overlay(content, join(directory.path, layer));
  return content;
}

async function overlay(content: Buffer, path: string): Promise<void> {
  const file = await open(path, "r");
  for await (const [offset, length] of allocatedRuns(file, (await file.stat()).size))
    (await readExactly(file, offset, length)).copy(content, offset);
  await file.close();
}
