/** Which boot of the machine this is: whether it is another one than the last engine's decides what a loss means. */
import { readFileSync } from "node:fs";

const KERNEL_BOOT_ID_FILE = "/proc/sys/kernel/random/boot_id";

/** @throws {Error} when there is none: guessing could hide a loss */
export function readBootId(file: string | null): string {
  const id = readFileSync(file ?? KERNEL_BOOT_ID_FILE, "utf8").trim();
  if (!/^[\w-]{1,64}$/.test(id)) throw new Error(`${file ?? KERNEL_BOOT_ID_FILE} holds no boot id`);
  return id;
}
