/**
 * What a volume may answer: for each sector, the values that it may hold. A linearizable register with flush: an
 * acknowledged write is there until another one takes its place; only when every copy has lost its power, what was not
 * flushed may be older, once. Two reads without a write in between are equal. Reads do not hold writes up: one that was under way when
 * a write began may see it, although that never comes to count.
 */

import { SnapshotModel } from "./snapshot-model.js";

/** When something happened: the order of all beginnings and ends. */
type Moment = number;

interface Entry {
  value: number;
  begunAt: Moment;
  /** when the write ended, one way or the other; `Infinity`: not yet */
  ended: { at: Moment };
}

interface Gone extends Entry {
  /** since when another value is known to have taken its place */
  goneAt: Moment;
  /** a power cut may bring it back */
  isVolatile: boolean;
}

interface Sector {
  /** may be read now */
  present: Entry[];
  gone: Gone[];
}

export interface Operation {
  kind: "read" | "write" | "flush";
  sector: number;
  count: number;
  /** of a write */
  value: number;
  fua: boolean;
  begunAt: Moment;
  ended: { at: Moment };
}

export class Violation extends Error {
  override readonly name = "Violation";
}

const BEFORE_ALL = { at: 0 };

function entryOf({ value, begunAt, ended }: Entry): Entry {
  return { value, begunAt, ended };
}

function newSector(): Sector {
  return { present: [{ value: 0, begunAt: 0, ended: BEFORE_ALL }], gone: [] };
}

export class Model {
  private readonly sectors = new Map<number, Sector>();
  /** that have values which are gone */
  private readonly changed = new Set<Sector>();
  /** with the sectors of writes, and none of others */
  private readonly open = new Map<Operation, Sector[]>();
  private moment: Moment = 0;
  readonly snapshots = new SnapshotModel();
  /** that disks gave, and nobody wrote: nothing protects what is read from that */
  readonly rotten = new Set<number>();

  begin(kind: Operation["kind"], sector = 0, count = 0, value = 0, fua = false): Operation {
    const operation = { kind, sector, count, value, fua, begunAt: ++this.moment, ended: { at: Infinity } };
    const sectors = kind === "write" ? this.of(operation) : [];
    this.open.set(operation, sectors);
    if (kind === "write") {
      for (const one of sectors) one.present.push(operation);
      this.snapshots.written(operation);
    }
    return operation;
  }

  get isIdle(): boolean {
    return this.open.size === 0;
  }

  private of({ sector, count }: Operation): Sector[] {
    const found: Sector[] = [];
    for (let i = sector; i < sector + count; i++) {
      let one = this.sectors.get(i);
      if (one === undefined) this.sectors.set(i, (one = newSector()));
      found.push(one);
    }
    return found;
  }

  /** Nobody will say how it ended: it was done, or not, and is not done later. */
  abandon(operation: Operation): void {
    if (this.open.delete(operation)) operation.ended.at = ++this.moment;
  }

  acknowledge(operation: Operation): void {
    const sectors = this.open.get(operation);
    if (sectors === undefined) return;
    this.open.delete(operation);
    operation.ended.at = ++this.moment;
    if (operation.kind === "flush") {
      this.flushed(operation.begunAt);
      return;
    }
    const isThere = (entry: Entry) => entry.ended === operation.ended;
    const oldest = this.oldest();
    for (const sector of sectors) {
      this.replace(sector, operation.begunAt, isThere);
      if (operation.fua) for (const gone of sector.gone) gone.isVolatile = false;
      this.prune(sector, oldest);
    }
  }

  private flushed(begunAt: Moment): void {
    const oldest = this.oldest();
    for (const sector of this.changed) {
      for (const gone of sector.gone) if (gone.goneAt < begunAt) gone.isVolatile = false;
      this.prune(sector, oldest);
      if (sector.gone.length === 0) this.changed.delete(sector);
    }
  }

  /** @throws {Violation} */
  answer(operation: Operation, values: Int32Array): void {
    if (!this.open.delete(operation)) return;
    const { begunAt } = operation;
    operation.ended.at = ++this.moment;
    const oldest = this.oldest();
    let index = 0;
    let value = 0;
    const is = (entry: Entry) => entry.value === value;
    for (const sector of this.of(operation)) {
      value = values[index++] ?? 0;
      if (this.rotten.has(value)) continue;
      const isPresent = sector.present.some(is);
      if (!isPresent && !sector.gone.some((gone) => is(gone) && gone.goneAt >= begunAt)) {
        const allowed = sector.present.map((entry) => entry.value).join(", ");
        const was = sector.gone.some(is) ? " (an older value)" : "";
        throw new Violation(
          `sector ${operation.sector + index - 1} reads ${value}${was}, allowed: ${allowed}`,
        );
      }
      // Every later read agrees, unless a write began meanwhile: one that fails is undone, be that before this is answered or after.
      const isCertain = (entry: Entry) => entry.begunAt < begunAt;
      if (sector.present.some((entry) => is(entry) && isCertain(entry))) this.replace(sector, begunAt, is);
      this.prune(sector, oldest);
    }
  }

  /** What is there is known; whatever else had ended before `begunAt` is not any more. */
  private replace(sector: Sector, begunAt: Moment, isThere: (entry: Entry) => boolean): void {
    const { present } = sector;
    let kept = 0;
    for (const entry of present) {
      if (isThere(entry) || entry.ended.at > begunAt) present[kept++] = entry;
      else {
        const { value, begunAt: writtenAt, ended } = entry;
        sector.gone.push({ value, begunAt: writtenAt, ended, goneAt: this.moment, isVolatile: true });
      }
    }
    if (kept === present.length) return;
    present.length = kept;
    this.changed.add(sector);
  }

  private prune({ gone }: Sector, oldest: Moment): void {
    let kept = 0;
    for (const entry of gone) if (entry.isVolatile || entry.goneAt >= oldest) gone[kept++] = entry;
    // To set a length takes its time, even if it is the same.
    if (kept < gone.length) gone.length = kept;
  }

  /** When the operation began that is under way for longest. */
  private oldest(): Moment {
    // In the order in which they began.
    for (const { begunAt } of this.open.keys()) return begunAt;
    return Infinity;
  }

  /** A snapshot is being taken from now on, of what may be there until it has been. */
  beginSnapshot(name: string): void {
    const values = new Map<number, number[]>();
    for (const [index, { present }] of this.sectors) {
      const [first] = present;
      // Mostly there is one value alone, and an array that grew from nothing has room for seventeen.
      const found = first === undefined ? [] : [first.value];
      for (const { value } of present) if (!found.includes(value)) found.push(value);
      values.set(index, found);
    }
    this.snapshots.begin(name, values);
  }

  /** While no operation is open. @param certain false: it may have been done, or not */
  reverted(name: string, certain: boolean): void {
    const moment = { at: ++this.moment };
    const then = this.snapshots.valuesOf(name);
    for (const [index, sector] of this.sectors) {
      const values = [...(then.get(index) ?? [0])].map((value) => ({
        value,
        begunAt: moment.at,
        ended: moment,
      }));
      if (certain) Object.assign(sector, { present: values, gone: [] });
      else sector.present = [...sector.present, ...values];
    }
  }

  /** Nobody holds any more what was not flushed. */
  losePower(): void {
    if (this.snapshots.mayLose)
      for (const [index, { present, gone }] of this.sectors) {
        const values = [...present, ...gone].map(({ value }) => value);
        this.snapshots.losePower(index, values);
      }
    for (const sector of this.sectors.values()) {
      if (sector.gone.length === 0) continue;
      for (const gone of sector.gone) if (gone.isVolatile) sector.present.push(entryOf(gone));
      sector.gone = sector.gone.filter(({ isVolatile }) => !isVolatile);
    }
  }

  /** Whether two copies of a sector are as they should be: what has rotted is like nothing else. */
  agree(here: number, there: number | undefined): boolean {
    return here === there || this.rotten.has(here) || (there !== undefined && this.rotten.has(there));
  }

  /** Sectors that were ever written, in runs. */
  touched(): { sector: number; count: number }[] {
    const runs: { sector: number; count: number }[] = [];
    for (const sector of [...this.sectors.keys()].sort((a, b) => a - b)) {
      const last = runs.at(-1);
      if (last !== undefined && last.sector + last.count === sector) last.count++;
      else runs.push({ sector, count: 1 });
    }
    return runs;
  }
}
