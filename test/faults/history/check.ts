/** Is a recorded history one of a block device that keeps its word? Each sector is a register by itself: its history has to be
 * linearizable (`register.ts`). A power cut of everything ends an epoch: what a sector holds after it is what it held
 * at some moment since the last flush that was acknowledged before the cut. */
import type { Flush, Operation, Time } from "./operation.js";
import { registerViolation, ZERO, type RegisterRead, type RegisterWrite } from "./register.js";

export interface Violation {
  /** `order`: no order of the operations explains what was read; `durable`: what was flushed is gone */
  broken: "order" | "durable";
  sector: number;
  what: string;
}

interface SectorWrite extends RegisterWrite {
  fua: boolean;
}

interface Sector {
  writes: SectorWrite[];
  reads: RegisterRead[];
}

/** @param cuts when everything lost its power, ascending. After each, and before anything is written again, all sectors have
 * to be read: nothing is said about those that were not
 * @param before what a sector held in the beginning, durably */
export function checkHistory(
  operations: readonly Operation[],
  cuts: readonly Time[] = [],
  before: (sector: number) => number = () => ZERO,
): Violation[] {
  const sectors = bySector(operations, cuts);
  const flushes = operations.filter(
    (operation): operation is Flush => operation.kind === "flush" && operation.outcome.type === "ok",
  );
  const violations: Violation[] = [];
  for (const [number, history] of sectors) {
    for (const found of checkSector(history, before(number), cuts, flushes))
      violations.push({ sector: number, ...found });
  }
  return violations;
}

function bySector(operations: readonly Operation[], cuts: readonly Time[]): Map<number, Sector> {
  const sectors = new Map<number, Sector>();
  const at = (sector: number): Sector => {
    const known = sectors.get(sector);
    if (known !== undefined) return known;
    const made = { writes: [], reads: [] };
    sectors.set(sector, made);
    return made;
  };
  for (const operation of operations) {
    if (operation.kind === "flush") continue;
    const { start, sector } = operation;
    if (operation.kind === "read") {
      if (operation.outcome.type !== "ok") continue;
      let next = sector;
      for (const { version, count } of operation.runs) {
        for (const end = next + count; next < end; next++)
          at(next).reads.push({ value: version, start, end: operation.end });
      }
    } else {
      const { count, version, fua, outcome } = operation;
      const certain = outcome.type === "ok";
      // Nothing survives a cut and happens after it.
      const cut = cuts.find((cut) => cut > start) ?? Infinity;
      const write = { value: version, start, end: Math.min(operation.end, cut), certain, fua };
      for (let each = sector; each < sector + count; each++) at(each).writes.push(write);
    }
  }
  return sectors;
}

type Found = Omit<Violation, "sector">;

const beginning = (value: number): SectorWrite => ({
  ...{ value, start: -Infinity, end: -Infinity, certain: true, fua: false },
});

function checkSector(
  { writes, reads }: Sector,
  before: number,
  cuts: readonly Time[],
  flushes: readonly Flush[],
): Found[] {
  const found: Found[] = [];
  let initial = beginning(before);
  let from = -Infinity;
  for (const until of [...cuts, Infinity]) {
    const within = ({ start }: { start: Time }): boolean => start >= from && start < until;
    const epoch = { writes: [initial, ...writes.filter(within)], reads: reads.filter(within) };
    const torn = epoch.reads.some(({ value }) => value < 0);
    const wrong = torn ? "no whole write was read" : registerViolation(epoch.writes, epoch.reads);
    if (wrong !== null) found.push({ broken: "order", what: wrong });
    if (until === Infinity || wrong !== null) break; // what comes after a wrong epoch cannot be judged
    const left = reads.find(({ start }) => start > until);
    if (left === undefined) break;
    const lost = durabilityViolation(epoch, left.value, until, flushes);
    if (lost !== null) found.push({ broken: "durable", what: lost });
    initial = beginning(left.value);
    from = until;
  }
  return found;
}

/** May the sector hold `value` after a cut at `cut`? */
function durabilityViolation(
  { writes, reads }: Sector,
  value: number,
  cut: Time,
  flushes: readonly Flush[],
): string | null {
  const flushed = flushes
    .filter(({ end }) => end < cut)
    .reduce((latest, { start }) => Math.max(latest, start), -Infinity);
  // As if somebody had read it at some moment since the flush was asked for.
  const wrong = registerViolation(writes, [...reads, { value, start: flushed, end: Infinity }]);
  if (wrong !== null) return `after the cut it holds version ${value}, flushed was a newer one: ${wrong}`;
  const candidates = writes.filter((write) => write.value === value);
  const newer = writes.find(
    (write) => write.fua && write.certain && candidates.every(({ end }) => end < write.start),
  );
  if (newer === undefined) return null;
  return `after the cut it holds version ${value}, version ${newer.value} was written later with FUA`;
}
