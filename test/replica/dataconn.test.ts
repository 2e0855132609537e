/** Longhorn's data protocol at a whole daemon: who may speak it, and that both protocols see the same data. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import t from "tap";
import { ReplicaService } from "../../proto/longhorn.js";
import { unaryClient } from "../../proto/unary.js";
import type { RunningReplica } from "../../replica/main.js";
import { Engine, Home } from "./harness.js";

const TYPE = { READ: 0, WRITE: 1, RESPONSE: 2, CLOSE: 5, UNMAP: 7 } as const;
const HEAD_BYTES = 26;
const data = Buffer.alloc(8192, "longhorn");

interface Message {
  magic: number;
  sequence: number;
  type: number;
  size: number;
  data: Buffer;
}

/** A Longhorn engine's end of one data connection. */
class Dataconn {
  private received = Buffer.alloc(0);
  private sequence = 0;

  private constructor(private readonly socket: Socket) {
    socket.on("data", (bytes) => (this.received = Buffer.concat([this.received, bytes])));
    socket.on("error", () => undefined);
  }

  static async open({ host, dataPort }: RunningReplica): Promise<Dataconn> {
    const socket = connect(dataPort, host);
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

t.test(
  "where no engine of ours is recorded, Longhorn's protocol writes what our stream reads later",
  async (t) => {
    const home = new Home(t);
    const { running } = await home.start();
    const longhorn = await Dataconn.open(running);
    t.match(await longhorn.ask(TYPE.WRITE, 4096, data.length, data), {
      type: TYPE.RESPONSE,
      sequence: 1,
      size: data.length,
    });
    t.ok((await longhorn.ask(TYPE.READ, 4096 + 512, 1024)).data.equals(data.subarray(0, 1024)));
    t.match(await longhorn.ask(TYPE.UNMAP, 8192, 4096), { type: TYPE.RESPONSE, size: 4096 });

    const engine = new Engine(running, "e1", 1);
    await engine.record();
    const stream = await engine.connect();
    t.ok((await stream.read(4096, 4096)).equals(data.subarray(0, 4096)));
    t.ok((await stream.read(8192, 4096)).equals(Buffer.alloc(4096)));
    await t.resolveMatch(
      longhorn.ask(TYPE.WRITE, 0, 512, Buffer.alloc(512)),
      { magic: 0, type: TYPE.CLOSE },
      "an engine of ours has taken over",
    );
    longhorn.close();
    engine.close();
  },
);

t.test("where an engine of ours is recorded, Longhorn's protocol is refused before it is read", async (t) => {
  const home = new Home(t);
  const { running } = await home.start();
  const engine = new Engine(running, "e1", 1);
  await engine.record();
  const stream = await engine.connect();
  await stream.write(0, data);
  const longhorn = await Dataconn.open(running);
  t.match(await longhorn.ask(TYPE.WRITE, 0, 512, Buffer.alloc(512)), { magic: 0, type: TYPE.CLOSE });
  t.ok((await stream.read(0, data.length)).equals(data));
  longhorn.close();
  engine.close();
});

t.test("who connects before the replica is opened is served then, as often as it is opened", async (t) => {
  const home = new Home(t);
  const { running } = await home.start({ startClosed: true });
  const replica = unaryClient(ReplicaService, `${running.host}:${running.port}`);
  t.teardown(replica.close);
  const call = { timeoutMs: 60_000 };
  for (const round of [1, 2]) {
    const longhorn = await Dataconn.open(running);
    const answer = longhorn.ask(TYPE.WRITE, 0, data.length, data);
    t.match(await replica.calls.replicaGet({}, call), { replica: { state: "closed" } });
    await replica.calls.replicaOpen({}, call);
    t.match(await answer, { type: TYPE.RESPONSE, size: data.length }, `opened ${round} times`);
    await replica.calls.replicaClose({}, call);
    longhorn.close();
  }
});
