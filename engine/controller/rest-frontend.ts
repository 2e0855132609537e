/** Longhorn's `rest` frontend: one HTTP server per machine, for debugging. */
import type { Logger } from "pino";
import type { AttachedVolume } from "../attached-volume.js";
import { FixedFrontend } from "./fixed-frontend.js";
import { REST_PORT } from "./limits.js";
import { RestServer, type RestVolume } from "./rest-server.js";

export class RestFrontend extends FixedFrontend {
  readonly name = "rest";
  readonly endpoint = `http://localhost:${REST_PORT}`;
  #server: RestServer | null = null;
  #served: RestVolume | null = null;

  constructor(private readonly options: { volume: string; log: Logger }) {
    super();
  }

  async start({ volume }: AttachedVolume, size: number): Promise<void> {
    const { volume: name, log } = this.options;
    this.#served = {
      ...{ name, size },
      read: (offset, length) => volume.read(null, offset, length),
      write: (offset, data) => volume.write(null, offset, data),
    };
    this.#server = await RestServer.serve(this.#served, "localhost", REST_PORT);
    log.info({ endpoint: this.endpoint }, "frontend started");
  }

  readonly grow = (size: number): Promise<void> => {
    if (this.#served !== null) this.#served.size = size;
    return Promise.resolve();
  };

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    await server?.close();
  }
}
