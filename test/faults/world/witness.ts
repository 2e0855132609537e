/** A witness on a host of its own. */
import { join } from "node:path";
import type { Network } from "../net/network.js";
import { HostProcess } from "./host-process.js";

export const WITNESS_HOST = "w";
const WITNESS_PORT = 10_000;

export class Witness {
  readonly address: string;
  #process: HostProcess | null = null;

  constructor(
    private readonly network: Network,
    private readonly folder: string,
  ) {
    this.address = `${network.address(WITNESS_HOST)}:${WITNESS_PORT}`;
  }

  start(): void {
    this.#process = new HostProcess({
      inside: this.network.inside(WITNESS_HOST),
      argv: ["bin/aurochs", "witness", join(this.folder, "witness"), "--listen", this.address],
      log: join(this.folder, "witness.log"),
    });
  }

  async kill(): Promise<void> {
    await this.#process?.kill();
  }
}
