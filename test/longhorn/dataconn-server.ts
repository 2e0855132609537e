/**
 * Longhorn's data protocol at the replica's end, from its byte layout alone. All integers are little endian:
 *
 *   0 u16 magic 0x1b01   2 u32 sequence   6 u32 type   10 i64 offset   18 u32 size   22 u32 data length   26 data
 */
import { createServer, type Server, type Socket } from "node:net";

const HEAD_BYTES = 26;
const MAGIC = 0x1b01;
export const TYPE = {
  READ: 0,
  WRITE: 1,
  RESPONSE: 2,
  ERROR: 3,
  EOF: 4,
  CLOSE: 5,
  PING: 6,
  UNMAP: 7,
  NO_SPACE: 8,
} as const;

export interface Request {
  type: number;
  offset: number;
  size: number;
  data: Buffer;
}

export interface Answer {
  type: number;
  size: number;
  data?: Uint8Array;
}

/** What becomes of a request; an error is answered with its text, null not at all. */
export type Handle = (request: Request) => Promise<Answer | null>;

export class DataconnServer {
  readonly #sockets = new Set<Socket>();
  /** while true nothing is read: as a stopped process */
  #stopped = false;

  private constructor(private readonly server: Server) {}

  /** @param at a port, or the path of a unix socket */
  static async listen(at: number | string, handle: Handle): Promise<DataconnServer> {
    const server = createServer();
    const made = new DataconnServer(server);
    server.on("connection", (socket) => made.#serve(socket, handle));
    await new Promise<void>((resolve, reject) =>
      server
        .once("error", reject)
        .listen(typeof at === "string" ? { path: at } : { port: at, host: "127.0.0.1" }, resolve),
    );
    return made;
  }

  /** Ends all connections, as the end of a process does. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Sends bytes as they are on all connections. */
  say(bytes: Uint8Array): void {
    for (const socket of this.#sockets) socket.write(bytes);
  }

  stop(): void {
    this.#stopped = true;
    for (const socket of this.#sockets) socket.pause();
  }

  continue(): void {
    this.#stopped = false;
    for (const socket of this.#sockets) socket.resume();
  }

  close(): void {
    this.server.close();
    this.cut();
  }

  #serve(socket: Socket, handle: Handle): void {
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket)).on("error", () => undefined);
    let bytes = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      while (bytes.length >= HEAD_BYTES) {
        if (bytes.readUInt16LE(0) !== MAGIC) return void socket.destroy();
        const length = bytes.readUInt32LE(22);
        if (bytes.length < HEAD_BYTES + length) break;
        const head = bytes.subarray(0, HEAD_BYTES);
        const data = bytes.subarray(HEAD_BYTES, HEAD_BYTES + length);
        bytes = bytes.subarray(HEAD_BYTES + length);
        void answer(socket, head, data, handle);
      }
    });
    if (this.#stopped) socket.pause();
  }
}

async function answer(socket: Socket, head: Buffer, data: Buffer, handle: Handle): Promise<void> {
  const request = {
    type: head.readUInt32LE(6),
    offset: Number(head.readBigInt64LE(10)),
    size: head.readUInt32LE(18),
    data,
  };
  const result = await handle(request).catch((error: unknown): Answer => {
    const text = Buffer.from((error as Error).message);
    return { type: TYPE.ERROR, size: text.length, data: text };
  });
  if (result === null || socket.destroyed) return;
  const reply = Buffer.from(head);
  reply.writeUInt32LE(result.type, 6);
  reply.writeUInt32LE(result.size, 18);
  reply.writeUInt32LE(result.data?.length ?? 0, 22);
  socket.write(result.data === undefined ? reply : Buffer.concat([reply, result.data]));
}
