/** A witness on a host of its own. */
import { join } from "node:path";
import type { Network } from "../net/network.js";
import type { Engine } from "./engine.js";
import { HostProcess, type Command } from "./host-process.js";

export const WITNESS_HOST = "w";
const WITNESS_PORT = 10_000;

export class Witness {
  readonly address: string;
  readonly log: string;
  /** its record; on another disk when a scenario has moved it there */
  directory: string;
  onStruck: NonNullable<Command["onStruck"]> = () => undefined;
  #process: HostProcess | null = null;

  constructor(
    private readonly network: Network,
    folder: string,
  ) {
    this.address = `${network.address(WITNESS_HOST)}:${WITNESS_PORT}`;
    this.log = join(folder, "witness.log");
    this.directory = join(folder, "witness");
  }

  start(): void {
    this.#process = new HostProcess({
      inside: this.network.inside(WITNESS_HOST),
      argv: ["bin/aurochs", "witness", this.directory, "--listen", this.address],
      log: this.log,
      onStruck: this.onStruck,
    });
  }

  /** SIGSTOP: it is there, and does nothing. */
  freeze(): void {
    this.#process?.signal("SIGSTOP");
  }

  thaw(): void {
    this.#process?.signal("SIGCONT");
  }

  async kill(): Promise<void> {
    await this.#process?.kill();
  }
}

/** Waits until it does, or does not any more. */
export async function witnessCounts(engine: Engine, member: boolean): Promise<void> {
  const what = member ? "the witness to count" : "the witness not to count";
  await engine.until(what, ({ witness }) => witness?.member === member);
}
