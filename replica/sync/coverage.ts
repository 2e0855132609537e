/** Which parts of a file have been dealt with: a set of ranges, joined where they meet. */
export class Coverage {
  /** ascending, apart from each other */
  private ranges: { begin: number; end: number }[] = [];

  add(begin: number, end: number): void {
    if (end <= begin) return;
    const first = this.indexOf(begin);
    let last = first;
    let joined = { begin, end };
    for (
      let range = this.ranges[last];
      range !== undefined && range.begin <= end;
      range = this.ranges[last]
    ) {
      joined = { begin: Math.min(joined.begin, range.begin), end: Math.max(joined.end, range.end) };
      last++;
    }
    this.ranges.splice(first, last - first, joined);
  }

  /** @returns the first byte of `[0, size)` that is missing, null when there is none */
  firstGap(size: number): number | null {
    const [range] = this.ranges;
    const end = range === undefined || range.begin > 0 ? 0 : range.end;
    return end < size ? end : null;
  }

  /** the first range that ends at `offset` or behind it */
  private indexOf(offset: number): number {
    let low = 0;
    let high = this.ranges.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const range = this.ranges[middle];
      if (range !== undefined && range.end < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
