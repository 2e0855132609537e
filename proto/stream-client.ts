/** The engine's end of the data stream on `@grpc/grpc-js`: slow and clear, the twin of one slot of the addon's Volume. */
import { Client, credentials, type ClientDuplexStream } from "@grpc/grpc-js";
import crc32c from "fast-crc32c";
import { DataPlane, Op, PROTOCOL_VERSION, type Extent, type Hello, type HelloReply, type Request, type Response } from "./dataplane.js"; // prettier-ignore
import { statusName } from "./status.js";
import { StreamError } from "./stream-backend.js";
import { Window } from "./window.js";

interface Pending {
  resolve: (response: Response) => void;
  reject: (error: StreamError) => void;
}

/** One stream. Operations reject with StreamError; after the stream's end, with `DISCONNECTED`. */
export class StreamClient {
  private readonly pending = new Map<number, Pending>();
  private readonly window: Window;
  private nextId = 1;
  private ended: StreamError | null = null;

  private constructor(
    private readonly client: Client,
    private readonly call: ClientDuplexStream<Partial<Request>, Response>,
    readonly hello: HelloReply,
  ) {
    this.window = new Window(hello.maxRequests, hello.maxPayloadInFlight);
    call.on("data", (response: Response) => this.onResponse(response));
    call.on("error", (error) => this.end(error.message));
    call.on("end", () => this.end("the stream was ended"));
    call.resume(); // paused since the answer to HELLO
  }

  /** Connects to `address` (`host:port`) and says HELLO.
   * @throws {StreamError} what HELLO was answered with, or `DISCONNECTED` */
  static async connect(address: string, hello: Omit<Hello, "protocolVersion">): Promise<StreamClient> {
    const client = new Client(address, credentials.createInsecure(), {
      "grpc.use_local_subchannel_pool": 1,
      "grpc.max_receive_message_length": -1,
    });
    const { path, requestSerialize, responseDeserialize } = DataPlane.connect;
    const call = client.makeBidiStreamRequest<Partial<Request>, Response>(
      path,
      requestSerialize,
      responseDeserialize,
    );
    call.on("error", () => undefined); // heard by others while there is somebody to tell
    try {
      call.write({ op: Op.OP_HELLO, hello: { protocolVersion: PROTOCOL_VERSION, ...hello } });
      const response = await firstResponse(call);
      failIfNotOk(response);
      if (response.id !== 0 || response.hello === null)
        throw new StreamError("INVALID", "HELLO was not answered");
      return new StreamClient(client, call, response.hello);
    } catch (error) {
      call.cancel();
      client.close();
      throw error;
    }
  }

  /** @param length bytes, at most `hello.maxPayload` */
  async read(offset: number, length: number): Promise<Buffer> {
    const { payload, crc32c: expected } = await this.request({ op: Op.OP_READ, offset, length });
    const data = asBuffer(payload);
    if (data.length !== length)
      throw new StreamError("INVALID", `${data.length} bytes were read, not ${length}`);
    if (crc32c.calculate(data) !== expected) {
      throw new StreamError("CHECKSUM_MISMATCH", "the payload does not match its CRC32C");
    }
    return data;
  }

  async write(offset: number, data: Uint8Array, options?: { fua?: boolean }): Promise<void> {
    const checksum = crc32c.calculate(asBuffer(data));
    await this.request({ op: Op.OP_WRITE, offset, length: data.length, fua: options?.fua ?? false, crc32c: checksum, payload: data }); // prettier-ignore
  }

  async flush(options?: { mark?: number; settled?: number }): Promise<void> {
    await this.request({ op: Op.OP_FLUSH, ...options });
  }

  async unmap(offset: number, length: number, options?: { fua?: boolean }): Promise<void> {
    await this.request({ op: Op.OP_UNMAP, offset, length, fua: options?.fua ?? false });
  }

  async writeZeroes(offset: number, length: number, options?: { fua?: boolean }): Promise<void> {
    await this.request({ op: Op.OP_WRITE_ZEROES, offset, length, fua: options?.fua ?? false });
  }

  async extents(offset: number, length: number): Promise<Extent[]> {
    return (await this.request({ op: Op.OP_EXTENTS, offset, length })).extents;
  }

  /** Sends any request under the next id (tests send malformed ones) and waits for a good answer.
   * @throws {StreamError} with the status answered */
  async request(request: Partial<Omit<Request, "id">>): Promise<Response> {
    const bytes = request.payload?.length ?? 0;
    await this.window.enter(bytes);
    try {
      const response = await new Promise<Response>((resolve, reject) => {
        if (this.ended !== null) throw this.ended;
        const id = this.nextId++;
        this.pending.set(id, { resolve, reject });
        this.call.write({ ...request, id });
      });
      failIfNotOk(response);
      return response;
    } finally {
      this.window.leave(bytes);
    }
  }

  /** Ends the stream; what is in flight rejects with `DISCONNECTED`. Idempotent. */
  close(): void {
    this.end("the stream was closed");
  }

  private onResponse(response: Response): void {
    const pending = this.pending.get(response.id);
    if (pending === undefined) {
      this.end(`response to ${response.id}, which was not asked for`);
      return;
    }
    this.pending.delete(response.id);
    pending.resolve(response);
  }

  private end(reason: string): void {
    this.ended ??= new StreamError("DISCONNECTED", reason);
    this.window.close(this.ended);
    for (const { reject } of this.pending.values()) reject(this.ended);
    this.pending.clear();
    this.call.cancel();
    this.client.close();
  }
}

function firstResponse(call: ClientDuplexStream<Partial<Request>, Response>): Promise<Response> {
  return new Promise((resolve, reject) => {
    const onError = (error: Error) => reject(new StreamError("DISCONNECTED", error.message));
    const onEnd = () => reject(new StreamError("DISCONNECTED", "the stream ended before HELLO was answered"));
    call.once("error", onError);
    call.once("end", onEnd);
    call.once("data", (response: Response) => {
      // Nothing may be delivered before the client listens.
      call.pause();
      call.off("error", onError);
      call.off("end", onEnd);
      resolve(response);
    });
  });
}

function failIfNotOk({ status, message }: Response): void {
  const name = statusName(status);
  if (name === "OK") return;
  if (name === null) throw new StreamError("IO_ERROR", `status ${status}: ${message}`);
  throw new StreamError(name, message);
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
