/**
 * A replica that does nothing by itself: it writes down what it is asked, and answers when it is told to. The same for the C++
 * `Volume`, over gRPC, and for the simulated one.
 */
import { Server, ServerCredentials, type ServerDuplexStream } from "@grpc/grpc-js";
import { crc32c, type HelloReply, type StatusName } from "../../native/index.js";
import { DataPlane, Op, PROTOCOL_VERSION, type Request, type Response } from "../../proto/dataplane.js";
import { STATUS_NUMBER, type WireStatus } from "../../proto/status.js";
import type { StreamRequest, ToEngine, ToServer } from "./data-server.js";
import type { End, Network } from "./network.js";
import { bytesOf, SECTOR_BYTES, sectorsOf } from "./sectors.js";
import type { Process } from "./simulation.js";
import type { StoreOp } from "./store.js";

/** bytes */
const LIMITS = { maxRequests: 4096, maxPayload: 1 << 20, maxPayloadInFlight: 1 << 30 };

type Asked = Omit<StreamRequest, "type">;
type Result = Int32Array | number[] | null;

/** The replica's end of a stream. */
interface Wire {
  accept(reply: HelloReply): void;
  reject(status: WireStatus): void;
  /** @param damaged what was read arrives otherwise than it was sent */
  answer(asked: Asked, status: WireStatus, result: Result, damaged: boolean): void;
  cut(): void;
}

interface Stream {
  wire: Wire;
  state: "arrived" | "open" | "ended";
  heard: string[];
  unanswered: Asked[];
}

export class ScriptedReplica {
  /** in the order in which they came */
  private readonly streams: Stream[] = [];
  private readonly content: Int32Array;

  /** @param size bytes */
  constructor(private readonly size: number) {
    // The volume may grow.
    this.content = new Int32Array((2 * size) / SECTOR_BYTES);
  }

  /** What was heard on each stream since it was last forgotten. Of one that has ended no more than that: what was on its way may
   * be lost, or not even be sent. */
  get heard(): string[][] {
    return this.streams.map(({ heard }) => (heard.at(-1) === "ended" ? ["ended"] : [...heard]));
  }
  forget(): void {
    for (const { heard } of this.streams) heard.splice(0);
  }
  get unanswered(): number {
    return this.open?.unanswered.length ?? 0;
  }
  get isAsked(): boolean {
    return this.streams.some(({ state }) => state === "arrived");
  }
  get isOpen(): boolean {
    return this.open !== undefined;
  }
  private get open(): Stream | undefined {
    return this.streams.find(({ state }) => state === "open");
  }

  // ------------------------------------------------------------------------------------------- from the volume

  arrive(wire: Wire, who: string): { ask: (asked: Asked) => void; end: () => void } {
    const stream: Stream = { wire, state: "arrived", heard: [who], unanswered: [] };
    this.streams.push(stream);
    return {
      ask: (asked) => {
        const { op, offset, length, fua, data, mark, settled } = asked;
        stream.heard.push(
          `${op} ${offset}+${length} fua=${fua} mark=${mark} settled=${settled} ${data?.join() ?? ""}`,
        );
        stream.unanswered.push(asked);
      },
      end: () => {
        if (stream.state !== "ended") stream.heard.push("ended");
        stream.state = "ended";
      },
    };
  }

  // ------------------------------------------------------------------------------------------- by the script

  accept(): void {
    const stream = this.streams.findLast(({ state }) => state === "arrived");
    if (stream === undefined) return;
    stream.state = "open";
    stream.wire.accept({ size: this.size, ...LIMITS });
  }

  reject(status: WireStatus): void {
    const stream = this.streams.findLast(({ state }) => state === "arrived");
    if (stream === undefined) return;
    stream.state = "ended";
    stream.wire.reject(status);
  }

  cut(): void {
    const stream = this.open;
    if (stream === undefined) return;
    stream.state = "ended";
    stream.wire.cut();
  }

  /** Answers the `nth` of what it was asked; what it changes, it has changed then. */
  answer(nth: number, status: WireStatus, damaged: boolean): void {
    const stream = this.open;
    const [asked] = stream?.unanswered.splice(nth, 1) ?? [];
    if (stream === undefined || asked === undefined) return;
    stream.wire.answer(asked, status, status === "OK" ? this.perform(asked) : null, damaged);
  }

  private perform({ op, offset, length, data }: Asked): Result {
    const [from, to] = [offset / SECTOR_BYTES, (offset + length) / SECTOR_BYTES];
    switch (op) {
      case "read":
        return this.content.slice(from, to);
      case "write":
        this.content.set(data ?? [], from);
        return null;
      case "unmap":
      case "writeZeroes":
        this.content.fill(0, from, to);
        return null;
      case "extents": {
        const runs: number[] = [];
        for (let at = from; at < to; at++)
          if (this.content[at] !== 0) runs.push(at * SECTOR_BYTES, SECTOR_BYTES);
        return runs;
      }
      case "flush":
        return null;
    }
  }
}

// --------------------------------------------------------------------------------------------- the two kinds of wire

const OPS: Partial<Record<Op, StoreOp>> = {
  [Op.OP_READ]: "read",
  [Op.OP_WRITE]: "write",
  [Op.OP_FLUSH]: "flush",
  [Op.OP_UNMAP]: "unmap",
  [Op.OP_WRITE_ZEROES]: "writeZeroes",
  [Op.OP_EXTENTS]: "extents",
};

/** @returns its port */
export async function listenForReal(replica: ScriptedReplica): Promise<{ port: number; close: () => void }> {
  const server = new Server({
    "grpc.max_receive_message_length": 2 * LIMITS.maxPayload,
    "grpc.max_send_message_length": -1,
  });
  server.addService(DataPlane, {
    connect: (call: ServerDuplexStream<Request, Partial<Response>>) => {
      let talk: ReturnType<ScriptedReplica["arrive"]> | null = null;
      // Its end is told by "cancelled" or "end"; who ends it with an error is not asked.
      call.on("error", () => undefined);
      call.on("cancelled", () => talk?.end());
      call.on("end", () => talk?.end());
      call.on("data", (request: Request) => {
        if (talk === null) talk = replica.arrive(grpcWire(call), whoOf(request));
        else talk.ask(askedOf(request));
      });
    },
  });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  return { port, close: () => server.forceShutdown() };
}

function grpcWire(call: ServerDuplexStream<Request, Partial<Response>>): Wire {
  return {
    accept: (reply) => call.write({ id: 0, hello: { protocolVersion: PROTOCOL_VERSION, ...reply } }),
    reject: (status) => {
      call.write({ id: 0, status: STATUS_NUMBER[status], message: status });
      call.end();
    },
    answer: ({ id, op }, status, result, damaged) => {
      if (status !== "OK") call.write({ id, status: STATUS_NUMBER[status], message: status });
      else if (op === "read") {
        const payload = bytesOf(result as Int32Array);
        call.write({ id, payload, crc32c: (crc32c(payload) ^ (damaged ? 1 : 0)) >>> 0 });
      } else if (op === "extents") call.write({ id, extents: extentsOf(result as number[]) });
      else call.write({ id });
    },
    cut: () => call.end(),
  };
}

function whoOf({ hello }: Request): string {
  return `${hello?.volume} ${hello?.replicaId} ${hello?.engineId} ${hello?.generation}`;
}

function askedOf({ id, op, offset, length, fua, mark, settled, payload }: Request): Asked {
  const name = OPS[op];
  if (name === undefined) throw new Error(`nobody asks a replica for ${op}`);
  const data = name === "write" ? sectorsOf(payload) : null;
  return { id, op: name, offset, length, fua, data, mark, settled };
}

function extentsOf(runs: number[]): Response["extents"] {
  return Array.from({ length: runs.length / 2 }, (_, i) => ({
    offset: runs[2 * i] ?? 0,
    length: runs[2 * i + 1] ?? 0,
  }));
}

export function listenSimulated(
  replica: ScriptedReplica,
  { network, process, port }: { network: Network; process: Process; port: number },
): void {
  network.listen(process, port, (end) => {
    let talk: ReturnType<ScriptedReplica["arrive"]> | null = null;
    end.onClose = () => talk?.end();
    end.onMessage = (message) => {
      const said = message as ToServer;
      if (said.type === "request") talk?.ask(said);
      else {
        const { volume, replicaId, engineId, generation } = said.hello;
        talk = replica.arrive(simulatedWire(network, end), `${volume} ${replicaId} ${engineId} ${generation}`); // prettier-ignore
      }
    };
  });
}

function simulatedWire(network: Network, end: End): Wire {
  const send = (message: ToEngine) => end.send(message);
  return {
    accept: (reply) => send({ type: "accepted", reply }),
    reject: (status) => {
      send({ type: "rejected", status, message: status });
      end.close();
    },
    answer: ({ id }, status, result, damaged) => {
      // One answer is on its way at a time: what is read now is what is damaged.
      network.damage = damaged ? 1 : 0;
      send({ type: "answer", id, status, message: status, result });
    },
    cut: () => end.close(),
  };
}

/** What a replica may refuse with. */
export const REFUSALS = [
  "IO_ERROR",
  "NO_SPACE",
  "FENCED",
  "CHECKSUM_MISMATCH",
] as const satisfies StatusName[];
