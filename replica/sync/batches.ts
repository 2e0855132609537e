/** Pieces that are short are sent together: extents and the holes between them, a batch of data at most. */
import { bytesOf, type Extent } from "./extents.js";
import { BATCH_BYTES, EXTENTS_PER_REQUEST_MAX, HOLE_BYTES_MAX } from "./limits.js";
import type { Piece } from "./source.js";

export type Batch =
  Piece | { kind: "extents"; offset: number; length: number; extents: Extent[]; read: () => Promise<Buffer> };

type DataPiece = Extract<Piece, { kind: "data" }>;

/** @param pieces ascending, without gaps
 * @returns the same, without gaps */
export async function* batchesOf(pieces: AsyncIterable<Piece>): AsyncGenerator<Batch> {
  let gathered: [DataPiece, ...DataPiece[]] | null = null;
  // Behind what was gathered; it belongs to it only if more data follow.
  let hole: Piece | null = null;
  for await (const piece of pieces) {
    if (piece.kind === "hole") {
      hole = piece;
    } else if (gathered !== null && fits(gathered, piece)) {
      gathered.push(piece);
      hole = null;
    } else {
      if (gathered !== null) yield together(gathered);
      if (hole !== null) yield hole;
      [gathered, hole] = [[piece], null];
    }
  }
  if (gathered !== null) yield together(gathered);
  if (hole !== null) yield hole;
}

function fits(gathered: readonly DataPiece[], { offset, length }: DataPiece): boolean {
  const last = gathered.at(-1);
  return (
    last !== undefined &&
    gathered.length < EXTENTS_PER_REQUEST_MAX &&
    bytesOf(gathered) + length <= BATCH_BYTES &&
    offset - (last.offset + last.length) <= HOLE_BYTES_MAX
  );
}

function together(gathered: [DataPiece, ...DataPiece[]]): Batch {
  const [first, ...others] = gathered;
  const last = others.at(-1);
  if (last === undefined) return first;
  return {
    kind: "extents",
    offset: first.offset,
    length: last.offset + last.length - first.offset,
    extents: gathered.map(({ offset, length }) => ({ offset, length })),
    read: async () => Buffer.concat(await Promise.all(gathered.map((piece) => piece.read()))),
  };
}
