/** Where a file has holes. In a chain a hole shows what lies below it, and zeros that are there hide it; a checksum of the content is
 * the same of both. */
import { createHash } from "node:crypto";
import type { Source } from "./source.js";

/** @returns SHA-256 of the holes, hexadecimal: the same of files that are read alike in any chain, if their content is the same */
export async function layoutOf(source: Pick<Source, "pieces">): Promise<string> {
  const hash = createHash("sha256");
  for await (const { kind, offset, length } of source.pieces())
    if (kind === "hole") hash.update(`${offset} ${length}\n`);
  return hash.digest("hex");
}
