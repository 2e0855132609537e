/** A program that listens on a replica's ports and answers whatever it is sent as a web server would. */
import { HostProcess } from "./host-process.js";
import { REPLICA_PORT, type Replica } from "./replica.js";
import type { World } from "./world.js";

const PROGRAM = `
  const { createServer } = require("node:net");
  for (const port of process.argv.slice(2)) createServer((socket) => {
    socket.on("error", () => undefined);
    socket.on("data", () => socket.write("HTTP/1.1 400 Bad Request\\r\\nContent-Length: 0\\r\\n\\r\\n"));
  }).listen(Number(port), process.argv[1]);
`;

export class Stranger {
  readonly #process: HostProcess;

  constructor({ network, folder }: World, { host }: Replica) {
    const ports = [REPLICA_PORT, REPLICA_PORT + 1].map(String);
    this.#process = new HostProcess({
      inside: network.inside(host),
      argv: ["node", "-e", PROGRAM, network.address(host), ...ports],
      log: `${folder}/stranger.log`,
    });
  }

  async leave(): Promise<void> {
    await this.#process.kill();
  }
}
