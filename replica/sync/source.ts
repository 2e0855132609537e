/** What is sent: a file as its file system has it, in pieces of a batch at most. */
import { open, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { allocatedRuns, readExactly } from "../file-runs.js";
import { BATCH_BYTES } from "./limits.js";
import { osError } from "./os-text.js";

/** A hole may be of any length; data come in batches. */
export type Piece =
  | { kind: "hole"; offset: number; length: number }
  | { kind: "data"; offset: number; length: number; read: () => Promise<Buffer> };

export interface Source {
  /** bytes */
  size: number;
  /** the file that has just these pieces; null when there is none */
  fd: number | null;
  /** Ascending, covering `[0, size)` exactly once. */
  pieces(): AsyncIterable<Piece>;
  close(): Promise<void>;
}

/** @param name checked by `names.ts`
 * @throws {Error} naming the file */
export async function openFileSource(directory: string, name: string): Promise<Source> {
  let file: FileHandle;
  try {
    file = await open(join(directory, name), "r");
  } catch (error) {
    throw osError("open", name, error);
  }
  const stat = await file.stat();
  if (!stat.isFile()) {
    await file.close();
    throw new Error(`${name} is not a plain file`);
  }
  return {
    size: stat.size,
    fd: file.fd,
    pieces: () => piecesOf(file, stat.size),
    close: () => file.close(),
  };
}

async function* piecesOf(file: FileHandle, size: number): AsyncGenerator<Piece> {
  let end = 0;
  for await (const [offset, length] of allocatedRuns(file, size)) {
    if (offset > end) yield { kind: "hole", offset: end, length: offset - end };
    yield* batches(offset, length, (from, bytes) => readExactly(file, from, bytes));
    end = offset + length;
  }
  if (end < size) yield { kind: "hole", offset: end, length: size - end };
}

function* batches(
  offset: number,
  length: number,
  read: (offset: number, length: number) => Promise<Buffer>,
): Generator<Piece> {
  for (let from = offset; from < offset + length; from += BATCH_BYTES) {
    const bytes = Math.min(BATCH_BYTES, offset + length - from);
    yield { kind: "data", offset: from, length: bytes, read: () => read(from, bytes) };
  }
}
