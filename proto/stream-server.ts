/**
 * The replica's end of the data stream on `@grpc/grpc-js`: slow and clear, the twin of the addon's DataServer and the
 * oracle for it.
 */
import { Server, ServerCredentials, status, type ServerDuplexStream } from "@grpc/grpc-js";
import crc32c from "fast-crc32c";
import { once } from "node:events";
import { DataPlane, Op, PROTOCOL_VERSION, type Hello, type Request, type Response } from "./dataplane.js";
import { STATUS_NUMBER } from "./status.js";
import { StreamError, type StreamBackend, type StreamFailure, type StreamLimits } from "./stream-backend.js";
import { RpcError } from "./unary.js";
import { Window } from "./window.js";

/** The unit of ranges, bytes. */
const SECTOR_BYTES = 512;

/** Room for a message around its payload, bytes. */
const MESSAGE_OVERHEAD_BYTES = 4096;

export interface StreamServerOptions {
  host: string;
  /** 0: any free one */
  port: number;
  backend: StreamBackend;
  limits: StreamLimits;
  /** Decides over a new stream.
   * @throws {StreamError} what HELLO is answered with */
  admit: (hello: Hello) => void | Promise<void>;
}

export interface StreamServer {
  port: number;
  /** Cuts all streams off. */
  close(): void;
}

type Call = ServerDuplexStream<Request, Partial<Response>>;

export async function startStreamServer(options: StreamServerOptions): Promise<StreamServer> {
  const server = new Server({
    "grpc.max_receive_message_length": options.limits.maxPayload + MESSAGE_OVERHEAD_BYTES,
    "grpc.max_send_message_length": -1,
  });
  server.addService(DataPlane, {
    connect: (call: Call) => {
      // What a stream ends with is the peer's business; its requests are answered or cut off.
      call.on("error", () => undefined);
      serveStream(call, options)
        .catch(() => undefined)
        .finally(() => call.end());
    },
  });
  const address = options.host.includes(":") ? `[${options.host}]` : options.host;
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`${address}:${options.port}`, ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return { port, close: () => server.forceShutdown() };
}

async function serveStream(call: Call, options: StreamServerOptions): Promise<void> {
  const { backend, limits } = options;
  const responses = new Responses(call);
  const requests = call[Symbol.asyncIterator]() as AsyncIterator<Request>;
  const first = await requests.next();
  if (first.done === true) return;
  const { id, op, hello } = first.value;
  if (op !== Op.OP_HELLO || id !== 0 || hello === null) {
    call.emit("error", new RpcError(status.INVALID_ARGUMENT, "the first request is not HELLO"));
    return;
  }
  if (!(await greet(responses, hello, options))) return;

  // Nothing more is read while the window is full: the engine feels it as flow control.
  const window = new Window(limits.maxRequests, limits.maxPayloadInFlight);
  const inFlight = new Map<number, Promise<void>>();
  for (let next = await requests.next(); next.done !== true; next = await requests.next()) {
    const request = next.value;
    await window.enter(request.payload.length);
    const used = inFlight.has(request.id);
    const answered = answer(request, used, backend, limits)
      .then((response) => responses.send(response))
      .finally(() => {
        if (!used) inFlight.delete(request.id);
        window.leave(request.payload.length);
      });
    if (!used) inFlight.set(request.id, answered);
    answered.catch(() => undefined); // the stream is gone: there is nobody to tell
  }
  await Promise.allSettled(inFlight.values());
}

async function greet(responses: Responses, hello: Hello, options: StreamServerOptions): Promise<boolean> {
  try {
    if (hello.protocolVersion !== PROTOCOL_VERSION) {
      throw new StreamError("INVALID", `protocol version ${hello.protocolVersion} is not spoken here`);
    }
    await options.admit(hello);
  } catch (error) {
    await responses.send({ id: 0, ...failureOf(error) });
    return false;
  }
  const reply = { protocolVersion: PROTOCOL_VERSION, size: options.backend.size, ...options.limits };
  await responses.send({ id: 0, hello: reply });
  return true;
}

/** Sends responses one after the other, at the peer's pace. */
class Responses {
  private last: Promise<unknown> = Promise.resolve();
  private readonly cancelled = new AbortController();

  constructor(private readonly call: Call) {
    call.on("cancelled", () => this.cancelled.abort());
  }

  /** @throws when the stream has ended */
  send(response: Partial<Response>): Promise<void> {
    const sent = this.last.then(async () => {
      const { signal } = this.cancelled;
      signal.throwIfAborted();
      if (!this.call.write(response)) await once(this.call, "drain", { signal });
    });
    this.last = sent.catch(() => undefined);
    return sent;
  }
}

async function answer(
  request: Request,
  used: boolean,
  backend: StreamBackend,
  limits: StreamLimits,
): Promise<Partial<Response>> {
  const { id } = request;
  try {
    if (id === 0) throw new StreamError("INVALID", "id 0 is HELLO's");
    if (used) throw new StreamError("INVALID", `id ${id} is in flight already`);
    if (request.op !== Op.OP_WRITE && request.payload.length > 0) {
      throw new StreamError("INVALID", "a payload where none belongs");
    }
    return { id, ...(await execute(request, backend, limits)) };
  } catch (error) {
    return { id, ...failureOf(error) };
  }
}

async function execute(
  request: Request,
  backend: StreamBackend,
  limits: StreamLimits,
): Promise<Partial<Response>> {
  const { op, offset, length, fua, mark, settled } = request;
  switch (op) {
    case Op.OP_READ: {
      checkRange(request, backend.size, limits.maxPayload);
      const payload = Buffer.from(await backend.read(offset, length));
      return { payload, crc32c: crc32c.calculate(payload) };
    }
    case Op.OP_WRITE:
      checkRange(request, backend.size, limits.maxPayload);
      checkPayload(request);
      await backend.write(offset, request.payload, { fua });
      return {};
    case Op.OP_FLUSH:
      await backend.flush({ mark, settled });
      return {};
    case Op.OP_UNMAP:
      checkRange(request, backend.size, Infinity);
      await backend.unmap(offset, length, { fua });
      return {};
    case Op.OP_WRITE_ZEROES:
      checkRange(request, backend.size, Infinity);
      await backend.writeZeroes(offset, length, { fua });
      return {};
    case Op.OP_EXTENTS:
      checkRange(request, backend.size, Infinity);
      return { extents: await backend.extents(offset, length) };
    case Op.OP_UNSPECIFIED:
    case Op.OP_HELLO:
    default:
      throw new StreamError("INVALID", `operation ${op} is not known here`);
  }
}

function checkRange({ offset, length }: Request, size: number, lengthMax: number): void {
  if (length === 0 || offset % SECTOR_BYTES !== 0 || length % SECTOR_BYTES !== 0) {
    throw new StreamError(
      "INVALID",
      `range ${offset}+${length} is empty or not a multiple of ${SECTOR_BYTES}`,
    );
  }
  if (length > lengthMax) throw new StreamError("INVALID", `length ${length} is more than ${lengthMax}`);
  if (offset + length > size)
    throw new StreamError("OUT_OF_RANGE", `range ${offset}+${length} passes the end, ${size}`);
}

function checkPayload(request: Request): void {
  const payload = Buffer.from(request.payload.buffer, request.payload.byteOffset, request.payload.length);
  if (payload.length !== request.length) {
    throw new StreamError("INVALID", `payload of ${payload.length} bytes for a range of ${request.length}`);
  }
  if (crc32c.calculate(payload) !== request.crc32c) {
    throw new StreamError("CHECKSUM_MISMATCH", "the payload does not match its CRC32C");
  }
}

function failureOf(error: unknown): Pick<Response, "status" | "message"> {
  const message = error instanceof Error ? error.message : String(error);
  const code: StreamFailure = error instanceof StreamError ? error.code : "IO_ERROR";
  return { status: STATUS_NUMBER[code === "DISCONNECTED" ? "IO_ERROR" : code], message };
}
