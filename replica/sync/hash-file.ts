/** The checksum of a data file's whole content, holes included. */
import { hashFile as startHashing } from "../../native/index.js";

/** @returns CRC-64 as Longhorn's checksums have it, 16 hexadecimal digits
 * @throws what `signal` says when it is aborted; {NativeError} when the file cannot be read */
export async function hashFile(path: string, signal: AbortSignal): Promise<string> {
  signal.throwIfAborted();
  const { checksum, cancel } = startHashing(path);
  signal.addEventListener("abort", cancel);
  try {
    return await checksum;
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener("abort", cancel);
  }
}
