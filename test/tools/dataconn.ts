/** A client of Longhorn's data protocol. */
import { once } from "node:events";
import { connect, type NetConnectOpts, type Socket } from "node:net";

export const TYPE = { READ: 0, WRITE: 1, RESPONSE: 2, ERROR: 3, CLOSE: 5, PING: 6, UNMAP: 7 } as const;
const HEAD_BYTES = 26;

export interface Message {
  magic: number;
  sequence: number;
  type: number;
  size: number;
  data: Buffer;
}

export class Dataconn {
  private received = Buffer.alloc(0);
  private sequence = 0;

  private constructor(private readonly socket: Socket) {
    socket.on("data", (bytes) => (this.received = Buffer.concat([this.received, bytes])));
    socket.on("error", () => undefined);
  }

  static async open(server: NetConnectOpts): Promise<Dataconn> {
    const socket = connect(server);
    await once(socket, "connect");
    return new Dataconn(socket);
  }

  async ask(type: number, offset: number, size: number, payload = Buffer.alloc(0)): Promise<Message> {
    const head = Buffer.alloc(HEAD_BYTES);
    head.writeUInt16LE(0x1b01, 0);
    head.writeUInt32LE(++this.sequence, 2);
    head.writeUInt32LE(type, 6);
    head.writeBigInt64LE(BigInt(offset), 10);
    head.writeUInt32LE(size, 18);
    head.writeUInt32LE(payload.length, 22);
    this.socket.write(Buffer.concat([head, payload]));
    return this.message();
  }

  close(): void {
    this.socket.destroy();
  }

  private async message(): Promise<Message> {
    const head = await this.take(HEAD_BYTES);
    const [magic, sequence, type, size] = [
      head.readUInt16LE(0),
      head.readUInt32LE(2),
      head.readUInt32LE(6),
      head.readUInt32LE(18),
    ];
    return { magic, sequence, type, size, data: await this.take(head.readUInt32LE(22)) };
  }

  private async take(count: number): Promise<Buffer> {
    while (this.received.length < count) await once(this.socket, "data");
    const taken = this.received.subarray(0, count);
    this.received = this.received.subarray(count);
    return taken;
  }
}
