/** Longhorn's `socket` frontend: a unix socket at which the volume is served over Longhorn's data protocol. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "pino";
import type { Volume } from "../../native/index.js";
import type { AttachedVolume } from "../attached-volume.js";
import { FixedFrontend } from "./fixed-frontend.js";

export class SocketFrontend extends FixedFrontend {
  readonly name = "socket";
  readonly endpoint: string;
  /** Whoever is connected knows the size that it had. */
  readonly grow = null;
  #volume: Volume | null = null;

  constructor(private readonly options: { volume: string; runDirectory: string; log: Logger }) {
    super();
    this.endpoint = join(options.runDirectory, `longhorn-${options.volume}.sock`);
  }

  async start({ volume }: AttachedVolume): Promise<void> {
    const { log } = this.options;
    await volume.openSocket(this.endpoint, (reason) =>
      log.info({ reason }, "connection to the socket ended"),
    );
    this.#volume = volume;
    log.info({ endpoint: this.endpoint }, "frontend started");
  }

  async stop(): Promise<void> {
    const volume = this.#volume;
    this.#volume = null;
    if (volume === null) return;
    // While it listens nobody else takes its place.
    await rm(this.endpoint, { force: true });
    await volume.closeSocket();
  }
}
