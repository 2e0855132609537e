/** SHA-256 of contents that are mostly zeros, and the same again and again: each is worked out once. */
import { createHash } from "node:crypto";

const CHUNK_BYTES = 1 << 20;
const PIECE_BYTES = 1 << 16;
const ZEROS = Buffer.alloc(PIECE_BYTES);

/** SHA-256 of a content by that of its length and of all in it that is not zero, which is much less to hash. */
const known = new Map<string, string>();

/** @param read gives all that it is asked for, whose bytes it may change afterwards */
export async function sparseHash(
  size: number,
  read: (at: number, length: number) => Promise<Uint8Array>,
): Promise<string> {
  const pieces = new Map<number, Buffer>();
  for (let at = 0; at < size; at += CHUNK_BYTES) {
    const length = Math.min(CHUNK_BYTES, size - at);
    const chunk = await read(at, length);
    if (chunk.length !== length) throw new Error(`${chunk.length} bytes of ${length} at ${at}`);
    for (let begin = 0; begin < length; begin += PIECE_BYTES) {
      const piece = chunk.subarray(begin, begin + PIECE_BYTES);
      if (!ZEROS.subarray(0, piece.length).equals(piece)) pieces.set(at + begin, Buffer.from(piece));
    }
  }
  const brief = createHash("sha256").update(`${size}`);
  for (const [at, piece] of pieces) brief.update(` ${at} `).update(piece);
  const key = brief.digest("hex");
  const hash = known.get(key) ?? wholeHash(size, pieces);
  known.set(key, hash);
  return hash;
}

function wholeHash(size: number, pieces: Map<number, Buffer>): string {
  const hash = createHash("sha256");
  for (let at = 0; at < size; at += PIECE_BYTES)
    hash.update(pieces.get(at) ?? ZEROS.subarray(0, Math.min(PIECE_BYTES, size - at)));
  return hash.digest("hex");
}
