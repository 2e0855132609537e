/** Block devices, by their files. */
import { readFile, stat } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { notNow } from "../errors.js";
import { DEVICE_POLL_MS, DEVICE_WAIT_MS } from "../limits.js";

const SECTOR_BYTES = 512;

/** `MAJOR:MINOR` of what stat() gives; see makedev(3). */
export function deviceNumber(rdev: number): string {
  const number = BigInt(rdev);
  const major = ((number >> 8n) & 0xfffn) | ((number >> 32n) & ~0xfffn);
  const minor = (number & 0xffn) | ((number >> 12n) & ~0xffn);
  return `${major}:${minor}`;
}

/** @returns `MAJOR:MINOR`, null when the file is not there, or no block device's */
export async function numberOf(path: string): Promise<string | null> {
  const found = await stat(path).catch(() => null);
  return found?.isBlockDevice() === true ? deviceNumber(found.rdev) : null;
}

/** @returns bytes, 0 when there is no such device now
 * @throws {Error} */
export async function deviceSize(path: string): Promise<number> {
  const number = await numberOf(path);
  if (number === null) return 0;
  const text = await readFile(`/sys/dev/block/${number}/size`, "latin1").catch(() => "0");
  return Number(text) * SECTOR_BYTES;
}

/** Waits until it is there, and as large as it has to be: its engine may just be starting, or growing.
 * @param size bytes
 * @throws {RpcError} ABORTED */
export async function waitForDevice(path: string, size: number, timeoutMs = DEVICE_WAIT_MS): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const found = await deviceSize(path);
    if (found >= size && found > 0) return;
    if (Date.now() > deadline)
      throw notNow(
        found === 0
          ? `${path} is not there, after ${timeoutMs / 1000} s`
          : `${path} has ${found} bytes, not ${size}, after ${timeoutMs / 1000} s`,
      );
    await sleep(DEVICE_POLL_MS);
  }
}
