/** The next engine's half of a hand-over (`offer.ts`). */
import { connect, type Socket } from "node:net";
import type { Logger } from "pino";
import type { MemberRecord } from "../../proto/control.js";
import { ReplicaLink } from "../replica-link.js";
import type { Predecessors } from "../takeover.js";
import { ANSWER_MS, LEFT_MS } from "./limits.js";
import { MessageLines } from "./message-lines.js";
import { socketNameOf } from "./offer.js";

/** The engine that serves the volume does not give it away now. */
export class HandOverRefusedError extends Error {
  override readonly name = "HandOverRefusedError";
}

/** A volume that the engine before holds for us. */
export class HandOver {
  private constructor(
    private readonly socket: Socket,
    private readonly lines: MessageLines,
    /** what that engine's logical unit knew; null when it had none */
    readonly unit: Buffer | null,
    /** that engine, and nothing that it has decided since: then it has gone on without us */
    readonly after: Predecessors,
  ) {}

  /** Asks the engine that serves the volume for it.
   * @param engineId ours
   * @param replicas control addresses, `host:port`
   * @returns null when there is none on this machine that answers: it has to be fenced
   * @throws {HandOverRefusedError} it goes on */
  static async ask(engineId: string, replicas: readonly string[], log: Logger): Promise<HandOver | null> {
    const record = await newestRecord(replicas, log);
    if (record === null || record.engineId === engineId) return null;
    const handOver = await HandOver.#ask(record.engineId, engineId);
    log.info(
      { from: record.engineId, given: handOver !== null },
      "the engine that serves was asked for the volume",
    );
    return handOver;
  }

  static async #ask(from: string, engineId: string): Promise<HandOver | null> {
    const socket = connect(socketNameOf(from));
    const lines = new MessageLines(socket);
    lines.send({ call: "give", engineId });
    const expiry = setTimeout(() => socket.destroy(), ANSWER_MS);
    const answer = await lines.next();
    clearTimeout(expiry);
    if (typeof answer?.["refused"] === "string") {
      socket.destroy();
      throw new HandOverRefusedError(`engine ${from} keeps the volume: ${answer["refused"]}`);
    }
    const { unit, generation } = answer ?? {};
    if (unit === null || typeof unit === "string") {
      const state = unit === null ? null : Buffer.from(unit, "base64");
      // Engines did not always say it.
      const generationMax = typeof generation === "number" ? generation : Infinity;
      return new HandOver(socket, lines, state, { ids: [from], generationMax });
    }
    socket.destroy();
    return null;
  }

  /** We serve: the engine before may let its initiators go. Resolves when it has, or is gone. */
  async leave(): Promise<void> {
    this.lines.send({ call: "leave" });
    const expiry = setTimeout(() => this.socket.destroy(), LEFT_MS);
    while ((await this.lines.next()) !== null);
    clearTimeout(expiry);
  }

  /** We failed: the engine before goes on. */
  cancel(): void {
    this.socket.destroy();
  }
}

/** What the replicas' directories say, also those that another process has open. */
async function newestRecord(replicas: readonly string[], log: Logger): Promise<MemberRecord | null> {
  const records = await Promise.all(
    replicas.map(async (address) => {
      const link = new ReplicaLink(address);
      try {
        return await link.recorded();
      } catch (err) {
        log.warn({ err, replica: address }, "replica does not say which engine is recorded");
        return null;
      } finally {
        link.close();
      }
    }),
  );
  return records.reduce((a, b) => ((b?.generation ?? 0) > (a?.generation ?? 0) ? b : a), null);
}
