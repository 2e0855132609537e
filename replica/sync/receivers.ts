/** The receivers of one replica: at most one per file, each on a port of the pool. */
import { constants } from "node:os";
import type { Logger } from "pino";
import type { NativeError } from "../../native/index.js";
import { checkQuietFileName } from "./names.js";
import type { PortPool } from "./port-pool.js";
import { ReceivedFile } from "./received-file.js";
import { Receiver, type ReceiverOptions } from "./receiver.js";

export interface Launched {
  receiver: Receiver;
  file: ReceivedFile;
}

export class Receivers {
  private readonly byFile = new Map<string, Receiver>();

  constructor(
    private readonly directory: string,
    private readonly ports: PortPool,
    private readonly log: Logger,
  ) {}

  /** @throws {Error} `out of ports`, or what is wrong with the name */
  async launch(
    name: string,
    commits: ReceiverOptions["commits"],
    onProgress?: (bytes: number) => void,
  ): Promise<Launched> {
    checkQuietFileName(name);
    if (this.byFile.has(name)) throw new Error(`file ${name} is being received already`);
    const file = new ReceivedFile(this.directory, name, onProgress);
    const receiver = await this.listen(file, commits);
    this.byFile.set(name, receiver);
    this.log.info({ file: name, port: receiver.port }, "receiver launched");
    return { receiver, file };
  }

  isReceiving(name: string): boolean {
    return this.byFile.has(name);
  }

  get names(): string[] {
    return [...this.byFile.keys()];
  }

  async stop(): Promise<void> {
    await Promise.all([...this.byFile.values()].map((receiver) => receiver.stop()));
  }

  private async listen(file: ReceivedFile, commits: ReceiverOptions["commits"]): Promise<Receiver> {
    for (let tries = 1; ; tries++) {
      const port = this.ports.take();
      try {
        const receiver = await Receiver.start(file, { port, commits }, this.log);
        void receiver.ended.then(({ end }) => {
          this.ports.release(port);
          this.byFile.delete(file.fileName);
          this.log.info({ file: file.fileName, end }, "receiver ended");
        });
        return receiver;
      } catch (error) {
        this.ports.release(port);
        // Somebody else has it: perhaps not the next one.
        if ((error as NativeError).errno !== constants.errno.EADDRINUSE || tries >= this.ports.size)
          throw error;
      }
    }
  }
}
