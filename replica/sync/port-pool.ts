/** The ports of receivers, handed out one after the other, round robin. */
export class PortPool {
  private next: number;
  private readonly taken = new Set<number>();

  /** @param first null: any that is free */
  constructor(
    private readonly first: number | null,
    private readonly last: number,
  ) {
    this.next = first ?? 0;
  }

  /** @returns 0: any that is free
   * @throws {Error} `out of ports` */
  take(): number {
    const { first, last } = this;
    if (first === null) return 0;
    for (let tries = first; tries <= last; tries++) {
      const port = this.next;
      this.next = port >= last ? first : port + 1;
      if (this.taken.has(port)) continue;
      this.taken.add(port);
      return port;
    }
    throw new Error("out of ports");
  }

  release(port: number): void {
    this.taken.delete(port);
  }

  /** How many there are; one, when any will do. */
  get size(): number {
    return this.first === null ? 1 : this.last - this.first + 1;
  }
}
