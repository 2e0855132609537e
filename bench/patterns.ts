/** What is measured, in the order of the report. */

export type PatternKind = "randwrite" | "randread" | "seqwrite" | "seqread" | "mixed" | "writeflush";

export interface Pattern {
  /** Kind, block and depth: `randwrite-4k-d32`. */
  name: string;
  /** For people. */
  label: string;
  kind: PatternKind;
  /** Bytes of one operation. */
  block: number;
  /** Operations in flight. */
  depth: number;
  /** The ratio to tgtd that our volume with two replicas has to reach (`--check`). */
  floor?: number;
}

const LABELS: Record<PatternKind, string> = {
  randwrite: "random write",
  randread: "random read",
  seqwrite: "sequential write",
  seqread: "sequential read",
  mixed: "70/30 random read/write",
  writeflush: "random write + flush",
};

const BLOCKS = new Map([
  [4096, { short: "4k", label: "4 KiB" }],
  [65_536, { short: "64k", label: "64 KiB" }],
  [1_048_576, { short: "1m", label: "1 MiB" }],
]);

function pattern(kind: PatternKind, block: number, depth: number, floor?: number): Pattern {
  const names = BLOCKS.get(block);
  if (names === undefined) throw new RangeError(`no name for blocks of ${block} bytes`);
  return {
    name: `${kind}-${names.short}-d${depth}`,
    label: `${names.label} ${LABELS[kind]}, depth ${depth}`,
    kind,
    block,
    depth,
    ...(floor === undefined ? {} : { floor }),
  };
}

export const PATTERNS: readonly Pattern[] = [
  pattern("randwrite", 4096, 1, 0.5),
  pattern("randwrite", 4096, 16),
  pattern("randwrite", 4096, 32, 1.3),
  pattern("randwrite", 4096, 128),
  pattern("randread", 4096, 1, 0.85),
  pattern("randread", 4096, 16),
  pattern("randread", 4096, 32, 1.6),
  pattern("randread", 4096, 128),
  pattern("seqwrite", 65_536, 8),
  pattern("seqwrite", 1_048_576, 8, 0.65),
  pattern("seqread", 65_536, 8),
  pattern("seqread", 1_048_576, 8, 1),
  pattern("mixed", 4096, 32),
  pattern("writeflush", 4096, 1),
  pattern("writeflush", 4096, 16),
];

/** The pattern whose CPU time per operation, all processes together, may be at most tgtd's (`--check`). */
export const CPU_CHECKED_PATTERN = "randwrite-4k-d32";

/** @throws {Error} when there is none of that name */
export function patternNamed(name: string): Pattern {
  const found = PATTERNS.find((pattern) => pattern.name === name);
  if (found === undefined) throw new Error(`there is no pattern ${name}`);
  return found;
}

export const writes = (kind: PatternKind): boolean => kind !== "randread" && kind !== "seqread";
