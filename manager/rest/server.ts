/** The HTTP server of the API. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { WebSocketServer } from "ws";
import type { Backend } from "./backend.js";
import { isAllowed } from "./http/auth.js";
import { readBody } from "./http/body.js";
import { renderCollection, renderItem } from "./http/envelope.js";
import { ApiError, apiErrorOf, errorEnvelope, statusOf } from "./http/errors.js";
import { Router, type Reply } from "./http/router.js";
import { Urls } from "./http/urls.js";
import {
  CLOSE_TIMEOUT_MS,
  CONNECTIONS_MAX,
  HEADER_BYTES_MAX,
  HEADERS_TIMEOUT_MS,
  KEEP_ALIVE_MS,
  REQUEST_TIMEOUT_MS,
  STREAM_INPUT_BYTES_MAX,
  STREAMS_MAX,
} from "./limits.js";
import { allRoutes } from "./routes/index.js";
import { Stream, streamOf, type StreamTimes } from "./streams.js";

export interface RestOptions {
  /** 127.0.0.1, if absent: who reaches it may do everything */
  host?: string;
  /** 9500, if absent; 0: any that is free */
  port?: number;
  /** that clients have to give; null: none */
  token: string | null;
  metrics(): Promise<{ type: string; text: string }>;
  /** @param route as it is registered, "" when there is none */
  onAnswered(method: string, route: string, status: number, seconds: number): void;
  /** @param count of streams that are open now */
  onStreams(count: number): void;
  /** what nobody expected: it belongs into the log */
  onError: (error: unknown) => void;
  /** of streams; the usual ones, if absent */
  streamTimes?: StreamTimes;
}

const PORT = 9500;

export class RestServer {
  readonly #server: Server;
  readonly #sockets = new WebSocketServer({ noServer: true, maxPayload: STREAM_INPUT_BYTES_MAX });
  readonly #streams = new Set<Stream>();
  readonly #router: Router;

  private constructor(
    private readonly backend: Backend,
    private readonly options: RestOptions,
  ) {
    this.#router = new Router(allRoutes(backend, () => options.metrics()));
    this.#server = createServer({
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
    });
    this.#server.maxConnections = CONNECTIONS_MAX;
    this.#server.on("request", (request: IncomingMessage, response: ServerResponse) => {
      void this.#answer(request, response);
    });
    this.#server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      this.#upgrade(request, socket, head);
    });
  }

  /** @throws the port is taken */
  static async listen(backend: Backend, options: RestOptions): Promise<RestServer> {
    const rest = new RestServer(backend, options);
    const { host = "127.0.0.1", port = PORT } = options;
    await new Promise<void>((resolve, reject) => {
      rest.#server.once("error", reject);
      rest.#server.listen(port, host, resolve);
    });
    return rest;
  }

  get address(): AddressInfo {
    return this.#server.address() as AddressInfo;
  }

  /** Streams end at once, requests in flight get some time. */
  async close(): Promise<void> {
    for (const stream of this.#streams) stream.close();
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeIdleConnections();
    const late = setTimeout(() => this.#server.closeAllConnections(), CLOSE_TIMEOUT_MS);
    await closed;
    clearTimeout(late);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const began = performance.now();
    const { path, action } = targetOf(request);
    const method = request.method ?? "";
    const match = this.#router.match(method === "HEAD" ? "GET" : method, path, action);
    const route = match.found === "route" ? match.route : null;
    response.on("close", () => {
      const seconds = (performance.now() - began) / 1000;
      this.options.onAnswered(method, route?.path ?? "", response.statusCode, seconds);
    });
    const urls = Urls.of(request.headers, path);
    try {
      if (!isAllowed(request.headers.authorization, this.options.token)) {
        response.setHeader("WWW-Authenticate", "Bearer");
        throw new ApiError("UNAUTHORIZED", "this API asks for a bearer token");
      }
      if (match.found === "elsewhere") redirect(response, urls, match.path);
      else if (match.found === "nothing")
        sendText(response, 404, "text/plain; charset=utf-8", "404 page not found\n"); // prettier-ignore
      else {
        const body = once(() => readBody(request));
        send(response, urls, await match.route.handle({ params: match.params, urls, body }));
      }
    } catch (error) {
      this.#fail(request, response, error);
    }
  }

  #fail(request: IncomingMessage, response: ServerResponse, error: unknown): void {
    const told = apiErrorOf(error);
    if (told.code === "FAILED") this.options.onError(error);
    if (response.headersSent) {
      response.destroy();
      return;
    }
    // The rest of a body that was not read would be taken for the next request.
    if (!request.complete) response.setHeader("Connection", "close");
    // Longhorn labels its errors so, and dashboards find the JSON in them all the same.
    sendText(response, statusOf(told), "text/plain; charset=utf-8", JSON.stringify(errorEnvelope(told)));
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on("error", () => socket.destroy());
    const wanted = streamOf(targetOf(request).path);
    if (!isAllowed(request.headers.authorization, this.options.token))
      refuseUpgrade(socket, "401 Unauthorized");
    else if (wanted === null) refuseUpgrade(socket, "404 Not Found");
    else if (this.#streams.size >= STREAMS_MAX) refuseUpgrade(socket, "503 Service Unavailable");
    else
      this.#sockets.handleUpgrade(request, socket, head, (webSocket) => {
        const { onError, streamTimes } = this.options;
        const stream = new Stream(webSocket, request, this.backend, wanted, onError, streamTimes);
        this.#streams.add(stream);
        this.options.onStreams(this.#streams.size);
        webSocket.on("close", () => {
          this.#streams.delete(stream);
          this.options.onStreams(this.#streams.size);
        });
      });
  }
}

function targetOf({ url = "/" }: IncomingMessage): { path: string; action: string | null } {
  const [path = "/", query = ""] = url.split("?", 2);
  return { path, action: new URLSearchParams(query).get("action") };
}

function send(response: ServerResponse, urls: Urls, reply: Reply): void {
  response.setHeader("X-API-Schemas", `${urls.root}/schemas`);
  switch (reply.reply) {
    case "item":
      sendText(response, 200, "application/json", JSON.stringify(renderItem(reply.item, urls)));
      break;
    case "collection":
      sendText(response, 200, "application/json", JSON.stringify(renderCollection(reply.collection, urls)));
      break;
    case "empty":
      response.end();
      break;
    case "nothing":
      response.writeHead(404).end();
      break;
    case "text":
      sendText(response, 200, reply.type, reply.text);
      break;
  }
}

function sendText(response: ServerResponse, status: number, type: string, text: string): void {
  response.writeHead(status, { "Content-Type": type, "Content-Length": Buffer.byteLength(text) }).end(text);
}

function redirect(response: ServerResponse, urls: Urls, path: string): void {
  response.writeHead(301, { Location: urls.current.replace(/\/+$/, "") || path }).end();
}

function refuseUpgrade(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}

function once<T>(read: () => Promise<T>): () => Promise<T> {
  let value: Promise<T> | null = null;
  return () => (value ??= read());
}
