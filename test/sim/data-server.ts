/** Stands in for the C++ `DataServer` (native/index.ts): who may use a store, and when nobody of the former does any more. */
import type {
  DataServer,
  DataServerEvent,
  DataServerOptions,
  Hello,
  HelloReply,
  StatusName,
} from "../../native/index.js";
import { PROTOCOL_VERSION } from "../../proto/dataplane.js";
import { network, type End, type Listener } from "./network.js";
import { runningProcess, simulation, type Process } from "./simulation.js";
import type { SimStore, StoreOp } from "./store.js";

export interface StreamRequest {
  type: "request";
  id: number;
  op: StoreOp;
  offset: number;
  length: number;
  fua: boolean;
  data: Int32Array | null;
  mark: number;
  settled: number;
}
export type ToServer = { type: "hello"; hello: Hello } | StreamRequest;
export type ToEngine =
  | { type: "accepted"; reply: HelloReply }
  | { type: "rejected"; status: StatusName; message: string }
  | { type: "answer"; id: number; status: StatusName; message: string; result: Int32Array | number[] | null };

interface Stream {
  id: number;
  end: End;
  state: "arrived" | "awaits" | "draining" | "open" | "closed";
  engineId: string;
  /** requests with the store */
  busy: number;
}

/** Sockets of `listenTcp` by their descriptors. */
export const sockets = new Map<number, { listener: Listener; host: string }>();

export class SimDataServer implements Pick<
  DataServer,
  "listen" | "accept" | "reject" | "fence" | "keepRevision" | "close"
> {
  private readonly streams = new Map<number, Stream>();
  private listener: Listener | null = null;
  private last = 0;
  private readonly drained: (() => void)[] = [];
  private readonly process: Process;

  constructor(
    private readonly store: SimStore,
    private readonly options: DataServerOptions,
    private readonly onEvent: (event: DataServerEvent) => void,
  ) {
    const process = runningProcess();
    if (process === undefined) throw new Error("only a simulated process serves data");
    this.process = process;
  }

  listen(fd: number): void {
    const socket = sockets.get(fd);
    if (socket === undefined) throw new Error(`${fd} is no socket`);
    this.listener = socket.listener;
    this.listener.onConnection = (end) => this.arrive(end);
    for (const end of this.listener.backlog.splice(0)) this.arrive(end);
  }

  private tell(event: DataServerEvent): void {
    simulation().after(0.02, this.process, () => {
      this.onEvent(event);
    });
  }

  private arrive(end: End): void {
    const stream: Stream = { id: ++this.last, end, state: "arrived", engineId: "", busy: 0 };
    this.streams.set(stream.id, stream);
    end.onClose = (reason) => this.end(stream, reason, false);
    end.onMessage = (message) => this.receive(stream, message as ToServer);
  }

  private receive(stream: Stream, message: ToServer): void {
    if (message.type === "hello") {
      if (stream.state !== "arrived") return;
      stream.state = "awaits";
      stream.engineId = message.hello.engineId;
      const { id: number, end } = stream;
      const remote = end.peer.process.name;
      this.tell({
        type: "hello",
        stream: number,
        protocolVersion: PROTOCOL_VERSION,
        hello: message.hello,
        remote,
      });
      return;
    }
    if (stream.state !== "open") return;
    const answer = (status: StatusName, text: string, result: Int32Array | number[] | null) =>
      stream.end.send({ type: "answer", id: message.id, status, message: text, result } satisfies ToEngine);
    if (message.op === "write" && isDamaged()) {
      answer("CHECKSUM_MISMATCH", "the payload is damaged", null);
      return;
    }
    stream.busy++;
    const { op, offset, length, fua, data, mark, settled } = message;
    this.store.submit({
      op,
      offset,
      length,
      fua,
      data,
      mark,
      settled,
      done: (status, text, result) => {
        stream.busy--;
        answer(status, text, result);
        this.checkDrained();
      },
    });
  }

  private end(stream: Stream, reason: string, byUs: boolean): void {
    if (stream.state === "closed") return;
    stream.state = "closed";
    if (byUs) stream.end.close(reason);
    this.tell({ type: "closed", stream: stream.id, reason });
  }

  private checkDrained(): void {
    for (const stream of this.streams.values()) {
      if (stream.state !== "closed") continue;
      if (stream.busy > 0) return;
      this.streams.delete(stream.id);
    }
    for (const work of this.drained.splice(0)) work();
  }

  private whenDrained(work: () => void): void {
    this.drained.push(work);
    this.checkDrained();
  }

  accept(id: number): void {
    const accepted = this.streams.get(id);
    if (accepted?.state !== "awaits") return;
    accepted.state = "draining";
    for (const stream of this.streams.values()) {
      const wasAccepted = stream.state === "open" || stream.state === "draining";
      if (stream !== accepted && wasAccepted && stream.engineId === accepted.engineId)
        this.end(stream, "the engine has connected anew", true);
    }
    this.whenDrained(() => {
      if (accepted.state !== "draining") return;
      accepted.state = "open";
      const { maxRequests, maxPayload, maxPayloadInFlight } = this.options;
      const reply = { size: this.store.size, maxRequests, maxPayload, maxPayloadInFlight };
      accepted.end.send({ type: "accepted", reply } satisfies ToEngine);
    });
  }

  /** Nobody speaks Longhorn's protocol here. */
  keepRevision(): Promise<void> {
    return Promise.resolve();
  }

  reject(id: number, status: StatusName, message: string): void {
    const stream = this.streams.get(id);
    if (stream?.state !== "awaits") return;
    stream.end.send({ type: "rejected", status, message } satisfies ToEngine);
    this.end(stream, message, true);
  }

  fence(engineId: string | null): Promise<void> {
    for (const stream of this.streams.values()) {
      const saidHello = stream.state !== "arrived" && stream.state !== "closed";
      if (saidHello && stream.engineId !== engineId)
        this.end(stream, "fenced: another engine owns the replica", true);
    }
    return new Promise((resolve) => {
      this.whenDrained(() => {
        resolve();
      });
    });
  }

  close(): Promise<void> {
    if (this.listener !== null) this.listener.onConnection = null;
    this.listener = null;
    for (const stream of this.streams.values()) this.end(stream, "the replica is closing", true);
    return new Promise((resolve) => {
      this.whenDrained(() => {
        resolve();
      });
    });
  }
}

export function isDamaged(): boolean {
  const { damage } = network();
  return damage > 0 && simulation().random.chance(damage);
}
