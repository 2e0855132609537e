/** Which boot of the machine this is: what the page cache held is gone when it changes. */
import { readFile } from "node:fs/promises";
import { ReplicaError, systemError } from "./replica-error.js";

export const BOOT_ID_FILE = "/proc/sys/kernel/random/boot_id";

/** @param file another file to read it from, for tests and for containers that hide /proc
 * @throws {ReplicaError} when there is none: guessing could hide a loss */
export async function readBootId(file: string = BOOT_ID_FILE): Promise<string> {
  let text: string;
  try {
    text = (await readFile(file, "utf8")).trim();
  } catch (error) {
    throw systemError(error, "read the boot id from", file);
  }
  if (!/^[\w-]{1,64}$/.test(text)) throw new ReplicaError("DAMAGED", `${file} holds no boot id`);
  return text;
}
