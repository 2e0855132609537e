/** Stands in for `node:http`: one request over a connection of the simulated network, and its answer, both whole. */
import { EventEmitter } from "node:events";
import { FRAMES_HEADER } from "../../replica/sync/frames.js";
import type { Socket } from "./net.js";
import { network, type End } from "./network.js";
import { runningProcess, simulation, type Process } from "./simulation.js";

type Headers = Record<string, string | number>;

interface Sent {
  url: string;
  method: string;
  headers: Headers;
  body: Buffer;
}
interface Answered {
  status: number;
  headers: Headers;
  text: string;
}

/** Bytes per millisecond of a connection. */
const RATE = 500_000;

/** A request where it is served, or an answer where it was waited for. */
export class IncomingMessage {
  readonly complete = true;
  url = "";
  method = "";
  statusCode = 0;

  constructor(
    readonly headers: Headers,
    private readonly body: Buffer,
  ) {}

  private encoding: BufferEncoding | null = null;

  setEncoding(encoding: BufferEncoding): void {
    this.encoding = encoding;
  }

  resume(): void {
    // Nothing is left to be read.
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer | string> {
    await Promise.resolve();
    if (this.body.length > 0) yield this.encoding === null ? this.body : this.body.toString(this.encoding);
  }
}

export class ServerResponse extends EventEmitter {
  headersSent = false;
  private status = 200;
  private headers: Headers = {};

  constructor(private readonly connection: End) {
    super();
  }

  get destroyed(): boolean {
    return this.connection.closed;
  }

  setHeader(name: string, value: string): void {
    // Nothing goes past requests here.
    if (name !== FRAMES_HEADER) this.headers[name] = value;
  }

  writeHead(status: number, headers: Headers): void {
    this.headersSent = true;
    this.status = status;
    this.headers = { ...this.headers, ...headers };
  }

  end(text: string, done: () => void): void {
    const { status, headers } = this;
    this.connection.send({ status, headers, text } satisfies Answered);
    done();
  }
}

class Server extends EventEmitter {
  keepAliveTimeout = 0;
  timeout = 0;

  constructor(private readonly serve: (request: IncomingMessage, response: ServerResponse) => void) {
    super();
    this.on("connection", (socket: Socket) => this.connected(socket));
  }

  private connected(socket: Socket): void {
    const { end } = socket;
    if (end === null) return;
    end.onClose = () => socket.emit("close");
    end.onMessage = (message) => {
      const { url, method, headers, body } = message as Sent;
      const request = Object.assign(new IncomingMessage(headers, body), { url, method });
      this.serve(request, new ServerResponse(end));
    };
  }
}

export function createServer(serve: (request: IncomingMessage, response: ServerResponse) => void): Server {
  return new Server(serve);
}

/** Each request has a connection of its own. */
export class Agent {
  destroy(): void {
    // Nothing is kept.
  }
}

interface RequestOptions {
  host: string;
  port: number;
  path: string;
  method: string;
  headers: Headers;
  signal: AbortSignal;
}

class ClientRequest extends EventEmitter {
  readonly reusedSocket = false;
  private connection: End | null = null;
  private isOver = false;

  constructor(private readonly options: RequestOptions) {
    super();
    options.signal.addEventListener("abort", () => this.fail("The operation was aborted"), { once: true });
  }

  private fail(reason: string): void {
    if (this.isOver) return;
    this.isOver = true;
    this.connection?.close();
    this.emit("error", new Error(reason));
  }

  end(data?: Uint8Array): void {
    const { host, port, path: url, method, headers } = this.options;
    const process = runningProcess() as Process;
    const body = Buffer.from(data ?? []);
    network().connect({
      from: process,
      host,
      port,
      onRefused: (reason) => this.fail(reason),
      onOpen: (end) => {
        if (this.isOver) {
          end.close();
          return;
        }
        this.connection = end;
        end.onClose = (reason) => this.fail(reason);
        end.onMessage = (message) => this.answered(end, message as Answered);
        simulation().after(body.length / RATE, process, () =>
          end.send({ url, method, headers, body } satisfies Sent),
        );
      },
    });
  }

  private answered(end: End, { status, headers, text }: Answered): void {
    if (this.isOver) return;
    this.isOver = true;
    end.close();
    const answer = Object.assign(new IncomingMessage(headers, Buffer.from(text)), { statusCode: status });
    this.emit("response", answer);
  }
}

export function request(options: RequestOptions): ClientRequest {
  return new ClientRequest(options);
}
