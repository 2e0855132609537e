/** A writer that keeps on writing while things break, and knows what every block has to hold afterwards. */
import type { IscsiIo } from "../tools/iscsi-io.js";

const BLOCK = 4096;
const SECTORS = BLOCK / 512;

export class Writer {
  /** block -> versions that it may hold: the acknowledged one, and one that was not answered */
  readonly #versions = new Map<number, { acknowledged: number; tried: number }>();
  #version = 0;
  #stopped = false;
  #running: Promise<void> | null = null;
  #error: Error | null = null;
  #acknowledged = 0;

  /** @param blocks of the volume that are used, from its beginning */
  constructor(
    private io: IscsiIo,
    private readonly blocks: number,
  ) {}

  get acknowledged(): number {
    return this.#acknowledged;
  }

  start(): void {
    this.#stopped = false;
    this.#error = null;
    this.#running = this.#run();
  }

  /** @returns the error that a write ended with, or null */
  async stop(): Promise<Error | null> {
    this.#stopped = true;
    await this.#running;
    return this.#error;
  }

  /** Waits for `count` more writes to be acknowledged. */
  async progress(count: number): Promise<void> {
    const goal = this.#acknowledged + count;
    while (this.#acknowledged < goal) {
      if (this.#error !== null) throw this.#error;
      await new Promise((wake) => setTimeout(wake, 5));
    }
  }

  /** Another connection to the same volume. */
  use(io: IscsiIo): void {
    this.io = io;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const version = ++this.#version;
      const block = (version * 7919) % this.blocks;
      const before = this.#versions.get(block)?.acknowledged ?? 0;
      this.#versions.set(block, { acknowledged: before, tried: version });
      try {
        await this.io.write(block * BLOCK, BLOCK, version);
      } catch (error) {
        this.#error = error as Error;
        return;
      }
      this.#versions.set(block, { acknowledged: version, tried: version });
      this.#acknowledged += 1;
    }
  }

  /** Reads all blocks twice, so that more than one copy is asked. @returns what is wrong with them */
  async mistakes(): Promise<string[]> {
    const mistakes: string[] = [];
    for (const [block, { acknowledged, tried }] of this.#versions) {
      for (let round = 0; round < 2; round++) {
        const runs = await this.io.read(block * BLOCK, BLOCK);
        const [run] = runs;
        const whole = runs.length === 1 && run?.sectors === SECTORS;
        if (!whole || (run.version !== acknowledged && run.version !== tried)) {
          mistakes.push(`block ${block}: ${JSON.stringify(runs)}, not version ${acknowledged} or ${tried}`);
        }
      }
    }
    return mistakes;
  }
}
