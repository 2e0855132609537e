/** Ranges where copies may differ because a write was answered with an error although some have it: while there are any,
 * nothing is settled (native/src/volume/divergence.h). */

interface Doubt {
  begin: number;
  end: number;
  all: Set<number>;
  /** to the source */
  unequal: Set<number>;
  source: number | null;
}

export class Divergence {
  private doubts: Doubt[] = [];

  get size(): number {
    return this.doubts.length;
  }

  get isEmpty(): boolean {
    return this.size === 0;
  }

  add(begin: number, end: number, slots: Iterable<number>): void {
    this.doubts.push({ begin, end, all: new Set(slots), unequal: new Set(slots), source: null });
    this.sweep();
  }

  copied(from: number, to: number, begin: number, end: number): void {
    for (const doubt of this.doubts) {
      if (begin >= doubt.end || doubt.begin >= end) continue;
      if (to === doubt.source) restart(doubt, null);
      if (begin > doubt.begin || end < doubt.end) continue;
      if (doubt.source !== from) restart(doubt, from);
      doubt.unequal.delete(to);
    }
    this.sweep();
  }

  left(slot: number): void {
    for (const doubt of this.doubts) {
      doubt.all.delete(slot);
      doubt.unequal.delete(slot);
      if (doubt.source === slot && doubt.unequal.size > 0) restart(doubt, null);
    }
    this.sweep();
  }

  private sweep(): void {
    this.doubts = this.doubts.filter(
      ({ all, unequal, source }) => all.size > 1 && (source === null || unequal.size > 0),
    );
  }
}

function restart(doubt: Doubt, source: number | null): void {
  doubt.source = source;
  doubt.unequal = new Set(doubt.all);
  if (source !== null) doubt.unequal.delete(source);
}
