/** For tests: replica directories made file by file, and all that is in one as a value. */
import { createHash } from "node:crypto";
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync, writeSync } from "node:fs"; // prettier-ignore
import { join } from "node:path";

export const BLOCK = 4096;
export const SIZE = 16 * BLOCK;

export interface SampleDisk {
  parent: string;
  removed?: boolean;
  userCreated?: boolean;
  /** blocks that hold data, each filled with this disk's own byte */
  blocks?: number[];
  /** bytes of the data file; default the volume's */
  size?: number;
  labels?: Record<string, string> | null;
}

/** Writes a directory as Longhorn would have left it. @param disks by data file name */
export function sampleDirectory(path: string, head: string, disks: Record<string, SampleDisk>): void {
  mkdirSync(path, { recursive: true });
  let byte = 1;
  for (const [name, disk] of Object.entries(disks)) {
    sampleData(join(path, name), disk.size ?? SIZE, disk.blocks ?? [], byte++);
    const { parent, removed = false, userCreated = true, labels = null } = disk;
    const meta = { Name: name, Parent: parent, Removed: removed, UserCreated: name === head ? false : userCreated, Created: "2026-01-02T03:04:05Z", Labels: labels }; // prettier-ignore
    writeFileSync(join(path, `${name}.meta`), `${JSON.stringify(meta)}\n`);
  }
  const volume = { Size: SIZE, Head: head, Dirty: true, Rebuilding: false, Error: "", Parent: disks[head]?.parent ?? "", SectorSize: 512, BackingFilePath: "" }; // prettier-ignore
  writeFileSync(join(path, "volume.meta"), `${JSON.stringify(volume)}\n`);
}

export function sampleData(path: string, size: number, blocks: readonly number[], byte: number): void {
  writeFileSync(path, "");
  truncateSync(path, size);
  const fd = openSync(path, "r+");
  for (const block of blocks) writeSync(fd, Buffer.alloc(BLOCK, byte), 0, BLOCK, block * BLOCK);
  closeSync(fd);
}

/** Every file: text, or hash and allocated bytes. */
export function contentOf(path: string): Record<string, string> {
  const content: Record<string, string> = {};
  for (const name of readdirSync(path).sort()) {
    const file = join(path, name);
    if (!statSync(file).isFile()) content[name] = "not a file";
    else if (name.endsWith(".img")) {
      content[name] = `${statSync(file).size} ${statSync(file).blocks} ${createHash("sha256").update(readFileSync(file)).digest("hex").slice(0, 8)}`; // prettier-ignore
    } else content[name] = readFileSync(file, "utf8");
  }
  return content;
}
