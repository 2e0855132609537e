/** Sparse files for the tests of this folder: made from a description, and compared in content and allocation. */
import { randomBytes } from "node:crypto";
import { open, readFile } from "node:fs/promises";
import { pino } from "pino";
import { allocatedRuns } from "./source.js";

export const silent = pino({ level: "silent" });

/** A file of `size` bytes with random data in `[offset, length]`. */
export async function makeSparse(path: string, size: number, data: readonly (readonly [number, number])[]) {
  const file = await open(path, "w");
  await file.truncate(size);
  for (const [offset, length] of data) await file.write(randomBytes(length), 0, length, offset);
  await file.sync();
  await file.close();
}

/** What a copy has to have in common with its original. */
export async function imageOf(path: string): Promise<{ runs: [number, number][]; content: string }> {
  const file = await open(path, "r");
  const runs: [number, number][] = [];
  for await (const run of allocatedRuns(file, (await file.stat()).size)) runs.push(run);
  await file.close();
  return { runs, content: (await readFile(path)).toString("base64") };
}
