/**
 * An engine gives its place to the next one on the same machine: it holds I/O and lets its replicas go, the next engine
 * takes them over and listens at the same portals, then the first one lets its initiators go, who find the next.
 *
 *   next engine                          this one
 *     {"call":"give","engineId":ID}  ---->  I/O is held, replicas are released
 *                                    <----  {"unit":BASE64,"generation":N}, or {"refused":WHY}
 *     {"call":"leave"}               ---->  initiators are let go
 *                                    <----  end of the connection
 *
 * The socket is in Linux' abstract namespace and named by this engine's id: it is there as long as the process, and whoever
 * can reach it is in the network namespace in which the portals can be taken. When the connection ends before "leave" the
 * next engine has failed, and this one goes on: it records itself under a further generation. So a next engine that was only slow finds one
 * above what it was given, and does not serve with a unit as it was then.
 */
import { createServer, type Server, type Socket } from "node:net";
import type { Logger } from "pino";
import { TAKE_MS } from "./limits.js";
import { MessageLines } from "./message-lines.js";

export interface Gift {
  /** what the next engine's logical unit has to know; null when there is none */
  unit: Buffer | null;
  /** the last one under which this engine may have recorded itself */
  generation: number;
}

export interface Giver {
  /** Holds I/O and lets the replicas go.
   * @throws {Error} why not; then nothing has changed */
  give: () => Promise<Gift>;
  /** The next engine serves. */
  leave: () => Promise<void>;
  /** The next engine has failed after `give`, or needs too long. Does not throw.
   * @param after ids of the engines that may have been recorded: another one serves by now */
  goOn: (after: readonly string[]) => Promise<void>;
}

export function socketNameOf(engineId: string): string {
  return `\0aurochs-engine-${engineId}`;
}

export class HandOverOffer {
  #busy = false;

  private constructor(
    private readonly engineId: string,
    private readonly server: Server,
    private readonly giver: Giver,
    private readonly log: Logger,
  ) {}

  /** An engine whose offer cannot be made serves as well: the next one has to fence it. */
  static make(engineId: string, giver: Giver, log: Logger): HandOverOffer {
    const server = createServer();
    const offer = new HandOverOffer(engineId, server, giver, log);
    server.on("connection", (socket) => void offer.#serve(socket));
    server.on("error", (err) => log.warn({ err }, "this engine cannot hand its volume over"));
    server.listen(socketNameOf(engineId)).unref();
    return offer;
  }

  close(): void {
    this.server.close();
  }

  async #serve(socket: Socket): Promise<void> {
    const lines = new MessageLines(socket);
    const request = await lines.next();
    const next = request?.["engineId"];
    if (request?.["call"] !== "give" || typeof next !== "string") {
      socket.destroy();
    } else if (this.#busy) {
      lines.send({ refused: "it is being handed over already" });
      socket.end();
    } else {
      this.#busy = true;
      await this.#handOver(socket, lines, next);
      this.#busy = false;
    }
  }

  async #handOver(socket: Socket, lines: MessageLines, next: string): Promise<void> {
    const { giver, log } = this;
    try {
      const { unit, generation } = await giver.give();
      log.info({ generation }, "volume given to the next engine");
      lines.send({ unit: unit?.toString("base64") ?? null, generation });
    } catch (err) {
      log.warn({ err }, "the volume is not handed over");
      lines.send({ refused: (err as Error).message });
      socket.end();
      return;
    }
    const expiry = new AbortController();
    const timer = setTimeout(() => {
      expiry.abort();
      socket.destroy();
    }, TAKE_MS);
    const answer = await lines.next();
    clearTimeout(timer);
    if (answer?.["call"] === "leave") {
      await giver.leave();
      log.info({}, "the next engine serves the volume");
    } else {
      log.warn({}, "the next engine has failed; this one goes on");
      // One that needs too long may serve by now.
      await giver.goOn(expiry.signal.aborted ? [this.engineId] : [this.engineId, next]);
    }
    socket.destroy();
  }
}
