/** The sending end of Longhorn's file sync protocol: a few workers over a source's pieces. */
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { ReceiverClient, RefusedRequest } from "./http-client.js";
import { CLOSE_TIMEOUT_MS, LAYOUT_TIMEOUT_MS, OPEN_RETRY_MS, OPEN_RETRY_PAUSE_MS, REQUEST_TIMEOUT_SECONDS, SENDER_WORKERS } from "./limits.js"; // prettier-ignore
import { parseChecksumFile } from "../checksum-file.js";
import { ReplicaError } from "../replica-error.js";
import { layoutOf } from "./layout.js";
import type { RateLimit } from "./rate-limit.js";
import type { ChecksumClaim } from "./received-file.js";
import { batchesOf, type Batch } from "./batches.js";
import { bytesOf, formatExtents } from "./extents.js";
import { sendFrames } from "./frames.js";
import type { Source } from "./source.js";

export interface SendOptions {
  host: string;
  port: number;
  /** seconds per request; 0: the default */
  timeoutSeconds: number;
  directIo: boolean;
  /** What is recorded of the content at this moment, null when nothing is: asked before the transfer and after it. */
  recorded: () => Promise<ChecksumClaim | null>;
  /** shared by all that this agent sends */
  rate: RateLimit;
  /** nothing is sent when both ends have recorded the same checksum, and have holes at the same places */
  fastSync: boolean;
  openRetryMs?: number;
}

/** @returns whether anything was sent
 * @throws {Error} saying at what it failed */
export async function sendSource(source: Source, options: SendOptions): Promise<"sent" | "skipped"> {
  const client = new ReceiverClient(options.host, options.port);
  const sender = new Sender(client, source, options);
  try {
    return await sender.run();
  } finally {
    client.close();
  }
}

class Sender {
  private readonly timeoutMs: number;

  constructor(
    private readonly client: ReceiverClient,
    private readonly source: Source,
    private readonly options: SendOptions,
  ) {
    this.timeoutMs = (options.timeoutSeconds > 0 ? options.timeoutSeconds : REQUEST_TIMEOUT_SECONDS) * 1_000;
  }

  async run(): Promise<"sent" | "skipped"> {
    const before = await this.options.recorded();
    try {
      if (this.options.fastSync && before !== null && (await this.isRecordedThere(before))) {
        await this.end(null);
        return "skipped";
      }
      await this.transfer();
    } catch (error) {
      // So that the receiver need not wait; without a checksum it cannot take the file for a known one.
      await this.end(null).catch(() => undefined);
      throw error;
    }
    const after = await this.options.recorded();
    // A source that changed on the way is not what its checksum says.
    await this.end(before !== null && after?.checksum === before.checksum ? before : null);
    return "sent";
  }

  private async isRecordedThere({ method, checksum }: ChecksumClaim): Promise<boolean> {
    try {
      const layout = await layoutOf(this.source);
      // Ours looks at the layout of the whole file before it answers. Longhorn's knows nothing of it.
      const timeoutMs = Math.max(this.timeoutMs, LAYOUT_TIMEOUT_MS);
      const text = await this.untilThere(() => this.client.ask("getRecordedMetadata", { layout }, timeoutMs));
      const there = parseChecksumFile(text, "the receiver's checksum file");
      return there.method === method && there.checksum === checksum;
    } catch (error) {
      if (error instanceof RefusedRequest || error instanceof ReplicaError) return false;
      throw error;
    }
  }

  private async transfer(): Promise<void> {
    const query = { begin: "0", end: String(this.source.size), directIO: String(this.options.directIo) };
    const existed = await context("failed to open", async () => {
      const text = await this.untilThere(() => this.client.ask("open", query, this.timeoutMs));
      // Older receivers do not tell.
      return text === "" || JSON.parse(text) === true;
    });
    const { source, client } = this;
    if (client.takesFrames && source.fd !== null) {
      const { host, port, rate } = this.options;
      const to = { host, port, timeoutMs: this.timeoutMs, endTimeoutMs: CLOSE_TIMEOUT_MS };
      const { fd, size } = source;
      await context("failed to send data", () => sendFrames(fd, size, to, rate));
      return;
    }
    const all = client.takesExtents ? batchesOf(source.pieces()) : source.pieces();
    const pieces: AsyncIterator<Batch> = all[Symbol.asyncIterator]();
    const failed = new AbortController();
    const work = async () => {
      try {
        while (!failed.signal.aborted) {
          const next = await pieces.next();
          if (next.done === true) return;
          await this.sendPiece(next.value, existed);
        }
      } catch (error) {
        failed.abort(error);
        throw error;
      }
    };
    await Promise.allSettled(Array.from({ length: SENDER_WORKERS }, work));
    if (failed.signal.aborted) throw failed.signal.reason;
  }

  private async sendPiece(piece: Batch, existed: boolean): Promise<void> {
    const { offset, length } = piece;
    const query = { begin: String(offset), end: String(offset + length) };
    const where = `${offset}-${offset + length}`;
    if (piece.kind === "hole") {
      await context(`failed to send hole ${where}`, () => this.client.ask("sendHole", query, this.timeoutMs));
      return;
    }
    const extents = piece.kind === "extents" ? piece.extents : null;
    await this.options.rate.take(extents === null ? length : bytesOf(extents));
    const data = await context(`failed to read ${where}`, piece.read);
    const head = extents === null ? null : formatExtents({ begin: offset, end: offset + length }, extents);
    if (existed) {
      const text = await context(`failed to get checksum of ${where}`, () =>
        head === null
          ? this.client.ask("getChecksum", query, this.timeoutMs)
          : this.client.ask("checkExtents", query, this.timeoutMs, head),
      );
      const there: unknown = JSON.parse(text);
      if (there === createHash("sha512").update(data).digest("base64")) return;
    }
    await context(`failed to write data ${where}`, () =>
      head === null
        ? this.client.ask("writeData", query, this.timeoutMs, data)
        : this.client.ask("writeExtents", query, this.timeoutMs, Buffer.concat([head, data])),
    );
  }

  private async end(claim: ChecksumClaim | null): Promise<void> {
    const query = { checksumMethod: claim?.method ?? "", checksum: claim?.checksum ?? "" };
    await context("failed to close", () => this.client.ask("close", query, CLOSE_TIMEOUT_MS));
  }

  /** The first request: until somebody listens. */
  private async untilThere(ask: () => Promise<string>): Promise<string> {
    const { openRetryMs = OPEN_RETRY_MS } = this.options;
    const until = Date.now() + openRetryMs;
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        if (error instanceof RefusedRequest || Date.now() >= until) throw error;
        await sleep(Math.min(OPEN_RETRY_PAUSE_MS, openRetryMs));
      }
    }
  }
}

async function context<T>(doing: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new Error(`${doing}: ${(error as Error).message}`, { cause: error });
  }
}
