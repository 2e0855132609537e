/** Requests of the file sync protocol to one receiver, over a few kept connections. */
import { Agent, request as httpRequest, type IncomingMessage } from "node:http";
import { crc32c } from "../../native/index.js";
import { EXTENTS_HEADER } from "./extents.js";
import { FRAMES_HEADER } from "./frames.js";
import { ANSWER_BYTES_MAX, SENDER_WORKERS } from "./limits.js";
import { isErrno } from "./os-text.js";
import { CRC_HEADER, formatCrc, formatTarget, REQUESTS, type RequestName } from "./query.js";

/** The receiver answered, and that it failed. */
export class RefusedRequest extends Error {
  override readonly name = "RefusedRequest";
  constructor(
    readonly status: number,
    text: string,
  ) {
    super(`status code=${status} (${text})`);
  }
}

export class ReceiverClient {
  // A worker compares and sends one after the other.
  private readonly agent = new Agent({ keepAlive: true, maxSockets: SENDER_WORKERS });

  private takesExtents_ = false;
  private takesFrames_ = false;

  constructor(
    private readonly host: string,
    private readonly port: number,
  ) {}

  /** Known after the first answer. */
  get takesExtents(): boolean {
    return this.takesExtents_;
  }
  get takesFrames(): boolean {
    return this.takesFrames_;
  }

  /** @returns the body of the answer
   * @throws {RefusedRequest}; {Error} when there is no answer within `timeoutMs` */
  async ask(
    name: RequestName,
    query: Readonly<Record<string, string>>,
    timeoutMs: number,
    data: Uint8Array | null = null,
  ): Promise<string> {
    try {
      return await this.send(name, query, timeoutMs, data);
    } catch (error) {
      // The other end closed a kept connection at the moment of its reuse: the request was not looked at.
      if (!(error instanceof StaleConnection)) throw error;
      return this.send(name, query, timeoutMs, data);
    }
  }

  private send(
    name: RequestName,
    query: Readonly<Record<string, string>>,
    timeoutMs: number,
    data: Uint8Array | null,
  ): Promise<string> {
    return new Promise((resolve, reject) => {
      const { method } = REQUESTS[name];
      const headers: Record<string, string | number> = { accept: "application/json" };
      if (method === "POST") headers["content-length"] = data?.length ?? 0;
      if (data !== null) headers[CRC_HEADER] = formatCrc(crc32c(data));
      const signal = AbortSignal.timeout(timeoutMs);
      const target = { host: this.host, port: this.port, path: formatTarget(name, query), method };
      const request = httpRequest({ ...target, agent: this.agent, headers, signal });
      request.once("error", (error) => {
        if (signal.aborted)
          reject(new Error(`no answer to ${name} within ${timeoutMs} ms`, { cause: error }));
        else if (request.reusedSocket && isErrno(error, "ECONNRESET")) reject(new StaleConnection());
        else reject(error);
      });
      request.once("response", (response) => {
        this.takesExtents_ ||= response.headers[EXTENTS_HEADER] !== undefined;
        this.takesFrames_ ||= response.headers[FRAMES_HEADER] !== undefined;
        readAnswer(response).then(
          (text) => settle(response.statusCode ?? 0, text),
          (error: unknown) => {
            // A receiver that ends with the last request may cut its answer short.
            if (name === "close") settle(response.statusCode ?? 0, "");
            else reject(error instanceof Error ? error : new Error(String(error)));
          },
        );
      });
      const settle = (status: number, text: string) =>
        status === 200 ? resolve(text) : reject(new RefusedRequest(status, text.trim()));
      request.end(data ?? undefined);
    });
  }

  close(): void {
    this.agent.destroy();
  }
}

class StaleConnection extends Error {}

async function readAnswer(response: IncomingMessage): Promise<string> {
  let text = "";
  response.setEncoding("utf8");
  for await (const part of response as AsyncIterable<string>) {
    text += part;
    if (text.length > ANSWER_BYTES_MAX) throw new Error(`the answer has more than ${ANSWER_BYTES_MAX} bytes`);
  }
  return text;
}
