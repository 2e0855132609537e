/** Ports of instances: contiguous blocks, the next one behind the last that was given, so that a port that is free again
 * rests before it is somebody else's. Pure. */

export interface PortRange {
  first: number;
  /** included */
  last: number;
}

export class PortAllocator {
  readonly #taken = new Set<number>();
  #next: number;

  constructor(private readonly range: PortRange) {
    this.#next = range.first;
  }

  /** @param preferred block that is taken if it is free and has the size
   * @returns null for no ports
   * @throws {Error} no such block is free */
  allocate(count: number, preferred: PortRange | null = null): PortRange | null {
    if (count <= 0) return null;
    if (preferred !== null && preferred.last - preferred.first + 1 === count && this.#isFree(preferred)) {
      this.take(preferred);
      return preferred;
    }
    const { first, last } = this.range;
    const size = last - first + 1;
    for (let step = 0; step < size; step++) {
      const start = first + ((this.#next - first + step) % size);
      const block = { first: start, last: start + count - 1 };
      if (block.last > last || !this.#isFree(block)) continue;
      this.take(block);
      this.#next = block.last === last ? first : block.last + 1;
      return block;
    }
    throw new Error(`cannot find an empty port range of ${count} ports in ${first}-${last}`);
  }

  #isFree(block: PortRange): boolean {
    for (let port = block.first; port <= block.last; port++) if (this.#taken.has(port)) return false;
    return true;
  }

  /** Notes ports that are in use already; they need not be in the range. */
  take(block: PortRange): void {
    for (let port = block.first; port <= block.last; port++) this.#taken.add(port);
  }

  free(block: PortRange | null): void {
    if (block === null) return;
    for (let port = block.first; port <= block.last; port++) this.#taken.delete(port);
  }
}

/** @param text `FIRST-LAST`
 * @throws {RangeError} */
export function parsePortRange(text: string): PortRange {
  const match = /^(\d{1,5})-(\d{1,5})$/.exec(text);
  const [first, last] = [Number(match?.[1] ?? 0), Number(match?.[2] ?? 0)];
  if (first < 1 || last < first || last > 65_535) throw new RangeError(`invalid port range "${text}"`);
  return { first, last };
}
