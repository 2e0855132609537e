/** A bound on what is in flight: a number of requests and the bytes of their payload. First come, first served. */
export class Window {
  private requests = 0;
  private bytes = 0;
  private readonly waiting: { bytes: number; enter: () => void; refuse: (reason: Error) => void }[] = [];
  private closed: Error | null = null;

  constructor(
    private readonly requestsMax: number,
    private readonly bytesMax: number,
  ) {}

  /** Resolves when the request may go on. `bytes` above the bound is let in alone.
   * @throws what `close` was called with */
  async enter(bytes: number): Promise<void> {
    if (this.closed !== null) throw this.closed;
    if (this.waiting.length === 0 && this.hasRoom(bytes)) {
      this.take(bytes);
      return;
    }
    await new Promise<void>((enter, refuse) => this.waiting.push({ bytes, enter, refuse }));
  }

  leave(bytes: number): void {
    this.requests--;
    this.bytes -= bytes;
    for (let next = this.waiting[0]; next !== undefined && this.hasRoom(next.bytes); next = this.waiting[0]) {
      this.waiting.shift();
      this.take(next.bytes);
      next.enter();
    }
  }

  /** Refuses all who wait and who come later. */
  close(reason: Error): void {
    this.closed ??= reason;
    for (const { refuse } of this.waiting.splice(0)) refuse(this.closed);
  }

  private hasRoom(bytes: number): boolean {
    if (this.requests >= this.requestsMax) return false;
    return this.bytes === 0 || this.bytes + bytes <= this.bytesMax;
  }

  private take(bytes: number): void {
    this.requests++;
    this.bytes += bytes;
  }
}
