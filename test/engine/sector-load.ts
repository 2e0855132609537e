/** Random writes and unmaps of any number of sectors, also several within one block at a time, by two initiators; and what
 * every sector has to hold afterwards. */
import { IscsiIo } from "../tools/iscsi-io.js";
import { numbers } from "../tools/random.js";

const SECTOR = 512;
const BLOCK_SECTORS = 8;
const MIB_SECTORS = 2048;
const LENGTH_MAX_SECTORS = 512;
const READ_SECTORS = MIB_SECTORS;
const INITIATORS = 2;

export class SectorLoad {
  /** by sector */
  readonly #versions: Uint32Array;
  readonly #connections: IscsiIo[] = [];
  readonly #random: (below: number) => number;
  #version = 0;
  #stopped = false;
  #done = 0;
  #running: Promise<unknown> | null = null;
  #error: Error | null = null;

  /** @param sectors of the volume: a multiple of 3 MiB */
  constructor(
    private readonly sectors: number,
    seed: number,
  ) {
    this.#versions = new Uint32Array(sectors);
    this.#random = numbers(seed);
  }

  async connect(url: string): Promise<void> {
    this.#connections.length = 0;
    for (let i = 0; i < INITIATORS; i++)
      this.#connections.push(await IscsiIo.connect(url, `iqn.2014-11.test:io-${i}`));
  }

  disconnect(): void {
    for (const io of this.#connections) io.kill();
  }

  start(): void {
    this.#stopped = false;
    this.#error = null;
    this.#running = Promise.all(this.#connections.map((io, index) => this.#run(io, index)));
  }

  /** Waits for `count` more operations to be answered. */
  async progress(count: number): Promise<void> {
    const goal = this.#done + count;
    while (this.#done < goal) {
      if (this.#error !== null) throw this.#error;
      await new Promise((wake) => setTimeout(wake, 5));
    }
  }

  /** @throws what an operation ended with */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
    if (this.#error !== null) throw this.#error;
  }

  /** Writes all of a range once. */
  async fill(beginMib: number, endMib: number): Promise<void> {
    const [io] = this.#connections;
    for (let mib = beginMib; mib < endMib; mib++) {
      const version = ++this.#version;
      await io?.write(mib * MIB_SECTORS * SECTOR, MIB_SECTORS * SECTOR, version);
      this.#versions.fill(version, mib * MIB_SECTORS, (mib + 1) * MIB_SECTORS);
    }
  }

  async #run(io: IscsiIo, index: number): Promise<void> {
    while (!this.#stopped && this.#error === null) {
      const [begin, length] = this.#pick(index);
      const version = this.#random(8) === 0 ? 0 : ++this.#version;
      try {
        if (version === 0) await io.unmap(begin * SECTOR, length * SECTOR);
        else await io.write(begin * SECTOR, length * SECTOR, version);
      } catch (error) {
        this.#error = error as Error;
        return;
      }
      this.#versions.fill(version, begin, begin + length);
      this.#done += 1;
    }
  }

  /** No sector is ever both initiators', but in every third MiB they share blocks. */
  #pick(index: number): [begin: number, length: number] {
    const random = this.#random;
    const mib = random(this.sectors / MIB_SECTORS);
    const within = random(MIB_SECTORS);
    if (mib % (INITIATORS + 1) === INITIATORS) {
      const half = BLOCK_SECTORS / INITIATORS;
      const offset = within % half;
      const block = within - (within % BLOCK_SECTORS);
      return [mib * MIB_SECTORS + block + index * half + offset, 1 + random(half - offset)];
    }
    const own = mib - (mib % (INITIATORS + 1)) + index;
    const longest = random(4) === 0 ? LENGTH_MAX_SECTORS : 2 * BLOCK_SECTORS;
    return [own * MIB_SECTORS + within, 1 + random(Math.min(longest, MIB_SECTORS - within))];
  }

  /** @returns sectors that do not hold what they have to */
  async mistakes(): Promise<string[]> {
    const found: string[] = [];
    const [io] = this.#connections;
    if (io === undefined) throw new Error("not connected");
    for (let begin = 0; begin < this.sectors; begin += READ_SECTORS) {
      let sector = begin;
      for (const run of await io.read(begin * SECTOR, READ_SECTORS * SECTOR)) {
        for (const end = sector + run.sectors; sector < end; sector++) {
          if (run.version !== this.#versions[sector])
            found.push(`sector ${sector}: ${run.version}, not ${this.#versions[sector]}`);
        }
      }
    }
    return found.slice(0, 10);
  }
}
