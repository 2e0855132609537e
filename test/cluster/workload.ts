/**
 * Whoever uses a volume, and knows what has to be in it: writes blocks with versions, reads them again, and goes with the volume
 * from node to node. What was answered has to be there; what was not may be.
 */
import type { RestClient } from "../../rest-client/client.js";
import { IscsiIo } from "../tools/iscsi-io.js";
import { sleep, waitFor } from "../tools/process.js";
import { numbers } from "../tools/random.js";
import { BLOCK_BYTES, STEP_MS, WORKLOAD_BLOCKS, WORKLOAD_PAUSE_MS } from "./limits.js";
import { patiently } from "./patiently.js";

/** Versions that a block may have. */
interface Expected {
  answered: number;
  /** written without an answer since */
  open: number[];
}

export class Workload {
  /** null while it uses the volume nowhere */
  node: string | null = null;
  operations = 0;
  /** ms that the longest operation took */
  slowest = 0;
  readonly #expected: Expected[] = Array.from({ length: WORKLOAD_BLOCKS }, () => ({ answered: 0, open: [] }));
  readonly #below: (below: number) => number;
  readonly #stride: number;
  #io: IscsiIo | null = null;
  #running: Promise<void> | null = null;
  #stopping = false;
  #version = 0;
  #failure: Error | null = null;

  /** @param size of the volume, bytes: all of it is reached */
  constructor(
    private readonly client: () => RestClient,
    readonly volume: string,
    size: number,
    seed: number,
  ) {
    this.#below = numbers(seed);
    this.#stride = Math.floor(size / WORKLOAD_BLOCKS / BLOCK_BYTES) * BLOCK_BYTES;
  }

  /** @throws the volume did not come, or has lost something */
  async begin(node: string): Promise<void> {
    await patiently(this.client, (client) =>
      client.act("volumes", this.volume, "attach", { hostId: node, attachmentID: "workload" }),
    );
    const url = await waitFor(`volume ${this.volume} on ${node}`, STEP_MS, async () => {
      const volume = await patiently(this.client, (client) => client.get("volumes", this.volume));
      const [engine] = volume?.controllers ?? [];
      const isThere = volume?.state === "attached" && engine?.hostId === node && engine.running;
      return isThere && engine.endpoint !== "" ? engine.endpoint : undefined;
    });
    this.node = node;
    this.#io = await IscsiIo.connect(url, `iqn.2014-11.test:${this.volume}`, { reconnects: true });
    await this.verify();
    this.#stopping = false;
    this.#running = this.#work(this.#io);
  }

  /** Ends in order, and gives the volume back.
   * @throws what went wrong since it began */
  async end(): Promise<void> {
    await this.pause();
    await this.#io?.flush();
    await this.#io?.logout();
    this.#io = null;
    await this.#detach();
  }

  /** The node that it ran on is gone, and it with it. */
  async abandon(): Promise<void> {
    this.kill();
    this.#io = null;
    await this.#running?.catch(() => undefined);
    this.#failure = null;
    await this.#detach();
  }

  kill(): void {
    this.#stopping = true;
    this.#io?.kill();
  }

  async #detach(): Promise<void> {
    this.node = null;
    await patiently(this.client, (client) =>
      client.act("volumes", this.volume, "detach", { attachmentID: "workload" }),
    );
  }

  /** @throws what went wrong */
  async pause(): Promise<void> {
    this.#stopping = true;
    await this.#running;
    this.check();
  }

  resume(): void {
    if (this.#io === null) throw new Error(`${this.volume} is not used`);
    this.#stopping = false;
    this.#running = this.#work(this.#io);
  }

  /** @throws what went wrong */
  check(): void {
    if (this.#failure !== null) throw this.#failure;
  }

  /** Reads all of it. Nobody may write meanwhile. */
  async verify(): Promise<void> {
    if (this.#io === null) throw new Error(`${this.volume} is not used`);
    for (let block = 0; block < WORKLOAD_BLOCKS; block++) await this.#read(this.#io, block);
  }

  async #work(io: IscsiIo): Promise<void> {
    try {
      while (!this.#stopping) {
        const block = this.#below(WORKLOAD_BLOCKS);
        const began = performance.now();
        if (this.#below(3) > 0) await this.#write(io, block);
        else await this.#read(io, block);
        this.slowest = Math.max(this.slowest, performance.now() - began);
        this.operations++;
        await sleep(WORKLOAD_PAUSE_MS);
      }
    } catch (error) {
      if (!this.#stopping)
        this.#failure = new Error(`${this.volume}: ${(error as Error).message}`, { cause: error });
    }
  }

  async #write(io: IscsiIo, block: number): Promise<void> {
    const expected = this.#expected[block] as Expected;
    const version = ++this.#version;
    expected.open.push(version);
    await io.write(block * this.#stride, BLOCK_BYTES, version, { fua: this.#below(8) === 0 });
    this.#expected[block] = { answered: version, open: [] };
  }

  async #read(io: IscsiIo, block: number): Promise<void> {
    const expected = this.#expected[block] as Expected;
    const runs = await io.read(block * this.#stride, BLOCK_BYTES);
    const found = runs.map(({ version }) => version);
    const allowed = [expected.answered, ...expected.open];
    if (found.some((version) => version === "torn" || !allowed.includes(version)))
      throw new Error(`block ${block} holds ${found.join(", ")}, and may hold ${allowed.join(", ")} only`);
    // What was read is what it holds from now on.
    const [version] = found;
    if (found.length === 1 && typeof version === "number")
      this.#expected[block] = { answered: version, open: [] };
  }
}
