/** A replica daemon on a host of its own. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Network } from "../net/network.js";
import { VOLUME_BYTES } from "../limits.js";
import type { CommandLine } from "./command-line.js";
import { HostProcess, type Command } from "./host-process.js";

export const REPLICA_PORT = 10_000;
export const VOLUME = "faults";

export class Replica {
  readonly address: string;
  readonly log: string;
  /** its data; on another disk when a scenario has moved it there */
  directory: string;
  /** the volume that it is told it is of */
  volume = VOLUME;
  /** put before its command: limits, a preloaded library */
  wrapper: string[] = [];
  env: NodeJS.ProcessEnv = {};
  /** further ones of its command */
  flags: string[] = [];
  /** what happens to its files while it is not there */
  beforeStart: () => void = () => undefined;
  onStruck: NonNullable<Command["onStruck"]> = () => undefined;
  #process: HostProcess | null = null;
  #boots = 0;

  constructor(
    readonly host: string,
    private readonly network: Network,
    private readonly folder: string,
    private readonly commandLine: CommandLine,
  ) {
    this.address = `${network.address(host)}:${REPLICA_PORT}`;
    this.log = join(folder, `replica-${host}.log`);
    this.directory = join(folder, `data-${host}`);
    this.reboot();
  }

  get process(): HostProcess {
    if (this.#process === null) throw new Error(`replica ${this.host} was never started`);
    return this.#process;
  }

  get isRunning(): boolean {
    return this.#process !== null && this.#process.end === null;
  }

  start(): void {
    mkdirSync(this.directory, { recursive: true });
    this.beforeStart();
    this.#process = new HostProcess(this.#command());
  }

  #command(): Command {
    return {
      inside: this.network.inside(this.host),
      argv: [
        ...this.wrapper,
        ...this.commandLine.replica({
          ...{ id: this.host, directory: this.directory, listen: this.address, volume: this.volume },
          ...{ size: String(VOLUME_BYTES), bootIdFile: this.#bootIdFile },
        }),
        ...this.flags,
      ],
      env: this.env,
      log: this.log,
      onStruck: this.onStruck,
    };
  }

  async kill(): Promise<void> {
    await this.process.kill();
  }

  /** SIGSTOP: it is there, and does nothing. */
  freeze(): void {
    this.process.signal("SIGSTOP");
  }

  thaw(): void {
    this.process.signal("SIGCONT");
  }

  /** The machine is another boot's from now on: what was not flushed counts as gone. */
  reboot(): void {
    writeFileSync(this.#bootIdFile, `${this.host}-boot-${++this.#boots}\n`);
  }

  get #bootIdFile(): string {
    return join(this.folder, `boot-${this.host}`);
  }
}
