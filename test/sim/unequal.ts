/** Ranges where a copy may still differ from the one that is read: nobody reads there before they are equal
 * (native/src/volume/unequal.h). */

interface Run {
  begin: number;
  end: number;
}

export class Unequal {
  private readonly runs = new Map<number, Run[]>();

  /** @param ranges `[offset, length, ...]` */
  set(slot: number, ranges: readonly number[]): void {
    const runs: Run[] = [];
    for (let i = 0; i < ranges.length; i += 2) {
      const [offset = 0, length = 0] = [ranges[i], ranges[i + 1]];
      runs.push({ begin: offset, end: offset + length });
    }
    this.runs.set(slot, runs);
  }

  copied(slot: number, begin: number, end: number): void {
    const left = this.runs.get(slot)?.filter((run) => run.begin < begin || run.end > end);
    if (left !== undefined) this.runs.set(slot, left);
  }

  forget(slot: number): void {
    this.runs.delete(slot);
  }

  touches(begin: number, end: number): boolean {
    for (const runs of this.runs.values())
      if (runs.some((run) => run.begin < end && begin < run.end)) return true;
    return false;
  }
}
