/** Small JSON files in which an agent keeps what the next one has to know. */
import { readFile } from "node:fs/promises";

/** @returns what it holds; null when there is none
 * @throws {Error} naming the file: nothing is guessed */
export async function readStateFile(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, "utf8"));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return null;
    throw new Error(`${path} cannot be read: ${message}`, { cause: error });
  }
}
