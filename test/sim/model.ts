/**
 * What a volume may answer: for each sector, the values that it may hold. A linearizable register with flush: an
 * acknowledged write is there until another one takes its place; only when every copy has lost its power, what was not
 * flushed may be older, once. Two reads without a write in between are equal.
 */

/** When something happened: the order of all beginnings and ends. */
type Moment = number;

interface Entry {
  value: number;
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

export class Model {
  private readonly sectors = new Map<number, Sector>();
  /** that have values which are gone */
  private readonly changed = new Set<Sector>();
  private readonly open = new Set<Operation>();
  private moment: Moment = 0;

  begin(kind: Operation["kind"], sector = 0, count = 0, value = 0, fua = false): Operation {
    const operation = { kind, sector, count, value, fua, begunAt: ++this.moment, ended: { at: Infinity } };
    this.open.add(operation);
    if (kind === "write")
      for (const one of this.of(operation)) one.present.push({ value, ended: operation.ended });
    return operation;
  }

  private *of({ sector, count }: Operation): Generator<Sector> {
    for (let i = sector; i < sector + count; i++) {
      let found = this.sectors.get(i);
      if (found === undefined) {
        found = { present: [{ value: 0, ended: BEFORE_ALL }], gone: [] };
        this.sectors.set(i, found);
      }
      yield found;
    }
  }

  /** Nobody will say how it ended: it was done, or not, and is not done later. */
  abandon(operation: Operation): void {
    if (this.open.delete(operation)) operation.ended.at = ++this.moment;
  }

  acknowledge(operation: Operation): void {
    if (!this.open.delete(operation)) return;
    operation.ended.at = ++this.moment;
    if (operation.kind === "flush") {
      this.flushed(operation.begunAt);
      return;
    }
    for (const sector of this.of(operation)) {
      this.replace(sector, operation.begunAt, (entry) => entry.ended === operation.ended);
      if (operation.fua) for (const gone of sector.gone) gone.isVolatile = false;
      this.prune(sector);
    }
  }

  private flushed(begunAt: Moment): void {
    for (const sector of this.changed) {
      for (const gone of sector.gone) if (gone.goneAt < begunAt) gone.isVolatile = false;
      this.prune(sector);
    }
    for (const sector of this.changed) if (sector.gone.length === 0) this.changed.delete(sector);
  }

  /** @throws {Violation} */
  answer(operation: Operation, values: Int32Array): void {
    if (!this.open.delete(operation)) return;
    const { begunAt } = operation;
    operation.ended.at = ++this.moment;
    let index = 0;
    for (const sector of this.of(operation)) {
      const value = values[index++] ?? 0;
      const is = (entry: Entry) => entry.value === value;
      const possible =
        sector.present.some(is) || sector.gone.some((gone) => is(gone) && gone.goneAt >= begunAt);
      if (!possible) {
        const allowed = sector.present.map((entry) => entry.value).join(", ");
        const was = sector.gone.some(is) ? " (an older value)" : "";
        throw new Violation(
          `sector ${operation.sector + index - 1} reads ${value}${was}, allowed: ${allowed}`,
        );
      }
      // Unless a write changed it meanwhile, every later read agrees.
      if (sector.present.some(is)) this.replace(sector, begunAt, is);
      this.prune(sector);
    }
  }

  /** `is` names what is there; whatever had ended before `begunAt` is not any more. */
  private replace(sector: Sector, begunAt: Moment, is: (entry: Entry) => boolean): void {
    const stays = (entry: Entry) => is(entry) || entry.ended.at > begunAt;
    const [only] = sector.present;
    if (sector.present.length === 1 && only !== undefined && stays(only)) return;
    this.changed.add(sector);
    for (const entry of sector.present)
      if (!stays(entry)) sector.gone.push({ ...entry, goneAt: this.moment, isVolatile: true });
    sector.present = sector.present.filter(stays);
  }

  private prune(sector: Sector): void {
    if (sector.gone.length === 0) return;
    // In the order in which they began.
    const [first] = this.open;
    const oldest = first?.begunAt ?? Infinity;
    sector.gone = sector.gone.filter(({ isVolatile, goneAt }) => isVolatile || goneAt >= oldest);
  }

  /** Nobody holds any more what was not flushed. */
  losePower(): void {
    for (const sector of this.sectors.values()) {
      for (const { value, ended, isVolatile } of sector.gone)
        if (isVolatile) sector.present.push({ value, ended });
      sector.gone = sector.gone.filter(({ isVolatile }) => !isVolatile);
    }
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
