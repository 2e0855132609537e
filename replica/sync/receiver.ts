/** The receiving end of Longhorn's file sync protocol: HTTP/1.1 on a port of its own, for one file. Our own senders use it for frames as
 * well (frames.ts): so the addon accepts, and hands the connections over that are HTTP's. */
import { closeSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { Socket } from "node:net";
import { constants } from "node:os";
import type { Logger } from "pino";
import { crc32c, FileReceiver, listenTcp, type NativeError } from "../../native/index.js";
import { EXTENTS_HEADER, parseExtents } from "./extents.js";
import { FRAMES_HEADER } from "./frames.js";
import { CLOSE_TIMEOUT_MS, RANGE_BYTES_MAX, RECEIVER_CONNECTIONS_MAX, RECEIVER_IDLE_MS } from "./limits.js";
import {
  CRC_HEADER,
  formatCrc,
  parseDirectIo,
  parseRange,
  parseTarget,
  REQUESTS,
  type RequestName,
} from "./query.js";
import { NotRecorded, type ChecksumClaim, type FrameReceiver, type ReceivedFile } from "./received-file.js"; // prettier-ignore

/** How it ended: all is durable, or nothing was heard for too long, or it was told to stop, or the end failed. */
export type ReceiverEnd =
  | { end: "closed"; claim: ChecksumClaim }
  | { end: "idle" }
  | { end: "stopped" }
  | { end: "failed"; error: Error };

export interface ReceiverOptions {
  /** 0: any free one */
  port: number;
  /** `sender`: the file is complete when the sender says so and nothing is missing; `owner`: whoever started the transfer
   * knows whether it went well, and commits or abandons the file then */
  commits: "sender" | "owner";
  idleMs?: number;
}

type Answer = { status: number; json: string } | { status: number };

export class Receiver {
  readonly ended: Promise<ReceiverEnd>;
  private readonly frames: FileReceiver;
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();
  private end: ((end: ReceiverEnd) => void) | null = null;
  private awaitsFrames = false;
  private inHand = 0;
  private idle: NodeJS.Timeout | null = null;

  private constructor(
    private readonly file: ReceivedFile,
    private readonly listening: { fd: number; port: number },
    private readonly options: ReceiverOptions,
    private readonly log: Logger,
  ) {
    this.server = createServer((request, response) => void this.serve(request, response));
    this.server.keepAliveTimeout = this.idleMs;
    // Of a connection that says nothing, or whose sender has given up waiting for us.
    this.server.timeout = CLOSE_TIMEOUT_MS;
    this.ended = new Promise((resolve) => (this.end = resolve));
    this.frames = new FileReceiver(listening.fd, (fd) => this.connected(fd));
    this.waitForRequest();
  }

  /** Listens on all addresses.
   * @throws when the port is taken */
  static start(file: ReceivedFile, options: ReceiverOptions, log: Logger): Promise<Receiver> {
    const listening = listenEverywhere(options.port);
    return Promise.resolve(new Receiver(file, listening, options, log.child({ file: file.fileName })));
  }

  get port(): number {
    return this.listening.port;
  }

  private get idleMs(): number {
    return this.options.idleMs ?? RECEIVER_IDLE_MS;
  }

  /** Idempotent. What was received is abandoned unless it was closed before. */
  stop(): Promise<void> {
    return this.finish({ end: "stopped" });
  }

  private connected(fd: number): void {
    const socket = new Socket({ fd, readable: true, writable: true });
    if (this.end === null || this.sockets.size >= RECEIVER_CONNECTIONS_MAX) {
      socket.destroy();
      return;
    }
    this.sockets.add(socket);
    socket.once("close", () => this.sockets.delete(socket));
    // As if it had accepted it itself (node:http, event 'connection').
    this.server.emit("connection", socket);
  }

  private async finish(end: ReceiverEnd): Promise<void> {
    const { end: resolve } = this;
    if (resolve === null) return;
    this.end = null;
    if (this.idle !== null) clearTimeout(this.idle);
    for (const socket of this.sockets) socket.destroy();
    if (end.end !== "closed") {
      await this.file
        .abandon()
        .catch((err: unknown) => this.log.error({ err }, "what was received is left as it is"));
    }
    await this.frames.close();
    closeSync(this.listening.fd);
    resolve(end);
  }

  private waitForRequest(): void {
    if (this.idle !== null) clearTimeout(this.idle);
    this.idle = setTimeout(() => {
      this.log.warn({}, "receiver ends: no sender was heard");
      void this.finish({ end: "idle" });
    }, this.idleMs);
  }

  /** Frames count as requests. */
  private readonly heard: FrameReceiver = {
    receive: async (fd, size, name, onReceived) => {
      const received = this.frames.receive(fd, size, name, (bytes) => {
        if (this.inHand === 0 && this.end !== null) this.waitForRequest();
        onReceived(bytes);
      });
      received.catch((err: unknown) => {
        if ((err as NativeError).code !== "ABORTED") this.log.warn({ err }, "frames did not come whole");
      });
      return received;
    },
    cancel: () => this.frames.cancel(),
  };

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.idle !== null) clearTimeout(this.idle);
    this.inHand++;
    const target = parseTarget(request.url ?? "");
    let end: ReceiverEnd | null = null;
    try {
      if (target === null || request.method !== REQUESTS[target.name].method) {
        await refuse(
          request,
          response,
          target === null ? 404 : 405,
          target === null ? "404 page not found" : "",
        );
        return;
      }
      const body = await readBody(request);
      checkCrc(body, request.headers[CRC_HEADER]);
      if (target.name === "close") end = await this.close(target.query);
      const answer = end === null ? await this.answer(target.name, target.query, body) : answerOf(end);
      if (this.awaitsFrames) response.setHeader(FRAMES_HEADER, "1");
      await send(response, answer.status, "json" in answer ? answer.json : "", "application/json");
    } catch (error) {
      const { message } = error as Error;
      const status = error instanceof NotRecorded ? 404 : 500;
      if (status === 500)
        this.log.warn({ err: error, request: target?.name }, "request of the file sync protocol failed");
      await refuse(request, response, status, message);
    } finally {
      this.inHand--;
      if (end !== null) await this.finish(end);
      else if (this.inHand === 0 && this.end !== null) this.waitForRequest();
    }
  }

  private async answer(name: RequestName, query: URLSearchParams, body: Buffer): Promise<Answer> {
    const { file } = this;
    switch (name) {
      case "open":
        return json(await this.open(parseRange(query).end, parseDirectIo(query)));
      case "writeData":
        await file.write(parseRange(query), body);
        return OK;
      case "sendHole":
        await file.hole(parseRange(query));
        return OK;
      case "getChecksum":
        return json((await file.checksum(parseRange(query)))?.toString("base64") ?? null);
      case "getRecordedMetadata":
        return { status: 200, json: await file.recordedMetadata(query.get("layout")) };
      case "writeExtents": {
        const range = parseRange(query);
        await file.writeExtents(range, parseExtents(range, body));
        return OK;
      }
      case "checkExtents": {
        const range = parseRange(query);
        const { extents } = parseExtents(range, body);
        return json((await file.checksumOfExtents(range, extents))?.toString("base64") ?? null);
      }
      case "close":
        return OK;
      default:
        return name satisfies never;
    }
  }

  private async open(size: number, directIo: boolean): Promise<boolean> {
    const existed = await this.file.open(size, directIo);
    this.awaitsFrames = this.end !== null && this.file.receiveBy(this.heard);
    return existed;
  }

  private async close(query: URLSearchParams): Promise<ReceiverEnd> {
    const claim = { method: query.get("checksumMethod") ?? "", checksum: query.get("checksum") ?? "" };
    try {
      await this.file.finish();
      if (this.options.commits === "sender") {
        this.file.checkComplete();
        await this.file.commit(claim);
      }
      return { end: "closed", claim };
    } catch (error) {
      return { end: "failed", error: error as Error };
    }
  }
}

/** @throws {NativeError} */
function listenEverywhere(port: number): { fd: number; port: number } {
  try {
    return listenTcp("::", port);
  } catch (error) {
    // Without IPv6.
    const { errno } = error as NativeError;
    if (errno !== constants.errno.EAFNOSUPPORT && errno !== constants.errno.EADDRNOTAVAIL) throw error;
    return listenTcp("0.0.0.0", port);
  }
}

const OK: Answer = { status: 200 };

function json(value: boolean | string | null): Answer {
  return { status: 200, json: JSON.stringify(value) };
}

function answerOf(end: ReceiverEnd): Answer {
  if (end.end === "failed") throw end.error;
  return OK;
}

/** @throws when it is too long, or cut off */
async function readBody(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    length += part.length;
    if (length > RANGE_BYTES_MAX)
      throw new Error(`a body of more than ${RANGE_BYTES_MAX} bytes is not accepted`);
    parts.push(part);
  }
  return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts, length);
}

/** @throws when the data are not those that the sender computed it of */
function checkCrc(data: Buffer, expected: string | string[] | undefined): void {
  if (expected === undefined) return;
  const found = formatCrc(crc32c(data));
  if (found !== expected)
    throw new Error(`CRC32C ${found} of ${data.length} bytes is not ${String(expected)}`);
}

function send(response: ServerResponse, status: number, text: string, type: string): Promise<void> {
  return new Promise((resolve) => {
    // A sender that is gone already is no error of ours.
    response.once("close", resolve);
    const headers = text === "" ? {} : { "content-type": type };
    response.writeHead(status, {
      ...headers,
      [EXTENTS_HEADER]: "1",
      "content-length": Buffer.byteLength(text),
    });
    response.end(text, () => resolve());
  });
}

/** As Go's http.Error: the text and a line end. */
async function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  text: string,
): Promise<void> {
  if (response.headersSent || response.destroyed) return;
  // What is left of its body will not be read: the connection cannot go on.
  if (!request.complete && hasBody(request)) response.setHeader("connection", "close");
  else request.resume();
  await send(response, status, text === "" ? "" : `${text}\n`, "text/plain; charset=utf-8");
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}
