/** The load of a scenario: initiators that write down what they do (`recorded_load.cc`), on a host of their own. */
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseRecord, type Operation } from "../history/operation.js";
import { LOAD_DEPTH, LOAD_SESSIONS, PATIENCE_MS } from "../limits.js";
import type { Network } from "../net/network.js";
import { compileTool } from "../../tools/compile.js";
import { waitFor } from "../../tools/process.js";
import { HostProcess } from "../world/host-process.js";

export interface LoadOptions {
  host: string;
  network: Network;
  /** for the record and the log */
  folder: string;
  url: string;
  seed: number;
  /** loads with different numbers are different initiators, and write different data */
  number: number;
  /** that it uses, from the first on */
  sectors: number;
  /** operations started a second */
  rate: number;
}

export class Load {
  readonly url: string;
  #record: string;
  #chapters = 0;
  #last: string | null = null;
  readonly #process: HostProcess;
  #done = 0;
  #answers: string[] = [];

  private constructor(program: string, options: LoadOptions) {
    const { host, network, folder, url, seed, number, sectors, rate } = options;
    this.url = url;
    this.#record = join(folder, `record-${number}.txt`);
    const numbers = [seed, sectors, LOAD_SESSIONS, LOAD_DEPTH, rate, number].map(String);
    this.#process = new HostProcess({
      inside: network.inside(host),
      argv: [program, url, this.#record, ...numbers],
      log: join(folder, `load-${number}.log`),
      talks: true,
    });
    createInterface(this.#process.stdout).on("line", (line) => {
      if (line.startsWith("done ")) this.#done = Number(line.split(" ")[1]);
      else this.#answers.push(line);
    });
  }

  static async start(options: LoadOptions): Promise<Load> {
    return new Load(await compileTool("test/faults/load/recorded_load.cc", ["-liscsi"]), options);
  }

  /** Random operations from now on. */
  run(): void {
    this.#tell("run");
  }

  /** No more of them. @returns when none is under way: not before those that were lost have logged in again */
  async pause(): Promise<void> {
    await this.#ask("pause", "paused");
  }

  /** Pauses, and reads everything twice. */
  async sweep(): Promise<void> {
    await this.pause();
    await this.#ask("sweep", "swept");
  }

  /** Pauses, makes everything durable, reads everything twice, and begins a new record.
   * @returns all that it did since the last one */
  async chapter(): Promise<Operation[]> {
    await this.pause();
    await this.#ask("flush", "flushed");
    await this.sweep();
    const before = this.#record;
    this.#record = `${before.replace(/\.\d+$/, "")}.${++this.#chapters}`;
    await this.#ask(`record ${this.#record}`, "recording");
    // The last one stays until there is another: whoever finds something wrong may want to look at it.
    if (this.#last !== null) rmSync(this.#last);
    this.#last = before;
    return parseRecord(readFileSync(before, "utf8"));
  }

  /** Waits until so many more operations have been answered well. */
  async progress(count: number, patienceMs = PATIENCE_MS): Promise<void> {
    const goal = this.#done + count;
    await waitFor(`${count} more operations to be answered`, patienceMs, () =>
      this.#done >= goal ? true : undefined,
    );
  }

  /** Ends it. @returns all that it did */
  async stop(): Promise<Operation[]> {
    this.#process.stdin.end();
    await this.#process.ended();
    return parseRecord(readFileSync(this.#record, "utf8"));
  }

  async kill(): Promise<void> {
    await this.#process.kill();
  }

  async #ask(line: string, answer: string): Promise<void> {
    this.#answers = [];
    this.#tell(line);
    await waitFor(`the load to be ${answer}`, PATIENCE_MS, () => {
      if (this.#process.end !== null) throw new Error(`the load has ended with ${this.#process.end}`);
      return this.#answers.includes(answer) ? true : undefined;
    });
  }

  #tell(line: string): void {
    this.#process.stdin.write(`${line}\n`);
  }
}
