/** `longhorn-disk.cfg`: by which a disk is known, wherever it is mounted. */
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { replaceFile } from "../../replica/durable-file.js";

/** Its name. */
export const DISK_CONFIG = "longhorn-disk.cfg";

export interface DiskConfig {
  diskName: string;
  diskUUID: string;
  state: string;
}

/** @returns null when the directory is no disk
 * @throws {Error} naming a file that cannot be read, or holds something else: it is never written over */
export async function readDiskConfig(directory: string): Promise<DiskConfig | null> {
  const path = join(directory, DISK_CONFIG);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
  try {
    const { diskName = "", diskUUID = "", state = "" } = JSON.parse(text) as Partial<DiskConfig>;
    if (typeof diskUUID !== "string" || diskUUID === "") throw new Error("it has no diskUUID");
    return { diskName, diskUUID, state };
  } catch (error) {
    throw new Error(`${path} is damaged: ${(error as Error).message}`, { cause: error });
  }
}

/** Makes a directory a disk. */
export async function writeDiskConfig(directory: string, diskName: string): Promise<DiskConfig> {
  const config = { diskName, diskUUID: randomUUID(), state: "ready" };
  await replaceFile(join(directory, DISK_CONFIG), JSON.stringify(config));
  return config;
}
