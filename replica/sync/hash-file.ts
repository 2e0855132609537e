/** The checksum of a data file's whole content, holes included. */
import { open } from "node:fs/promises";
import { Crc64 } from "./crc64.js";
import { allocatedRuns, batches, readExactly } from "./source.js";

/** @returns 16 hexadecimal digits
 * @throws what `signal` says when it is aborted; {Error} when the file cannot be read */
export async function hashFile(path: string, signal: AbortSignal): Promise<string> {
  const file = await open(path, "r");
  try {
    const { size } = await file.stat();
    const crc = new Crc64();
    let end = 0;
    for await (const [offset, length] of allocatedRuns(file, size)) {
      crc.zeros(offset - end);
      for (const piece of batches(offset, length, (at, bytes) => readExactly(file, at, bytes))) {
        signal.throwIfAborted();
        if (piece.kind === "data") crc.update(await piece.read());
      }
      end = offset + length;
    }
    crc.zeros(size - end);
    return crc.digest();
  } finally {
    await file.close();
  }
}
