/** Stands in for `@grpc/grpc-js`: unary calls over the simulated network, with deadlines, as the product uses them. */
import { Metadata, status, type handleUnaryCall, type ServiceError } from "@grpc/grpc-js";
import { engineOf } from "../../proto/engine-metadata.js";
import { network, type End, type Listener } from "./network.js";
import { runningProcess, simulation, type Process, type Scheduled } from "./simulation.js";

export { Metadata, status };
export const credentials = { createInsecure: () => null };
export const ServerCredentials = { createInsecure: () => null };

const CONTROL = "/aurochs.control.v1.";
/** ms after which a repeated call arrives at the latest */
const REPEATED_MS_MAX = 10_000;

interface Call {
  id: number;
  path: string;
  request: Buffer;
  metadata: Metadata;
}
interface Reply {
  id: number;
  code: status;
  details: string;
  reply: Buffer | null;
}

interface Pending {
  call: Call;
  deadline: Scheduled;
  end: (code: status, details: string, reply: Buffer | null) => void;
}

export class Client {
  private connection: End | null = null;
  private connecting = false;
  private readonly pending = new Map<number, Pending>();
  private closed = false;
  private lastId = 0;
  private readonly process: Process;

  constructor(private readonly address: string) {
    const process = runningProcess();
    if (process === undefined) throw new Error("only a simulated process has a client");
    this.process = process;
  }

  makeUnaryRequest<Request, Answer>(
    path: string,
    serialize: (request: Request) => Buffer,
    deserialize: (bytes: Buffer) => Answer,
    request: Request,
    metadata: Metadata,
    options: { deadline: number },
    callback: (error: ServiceError | null, reply?: Answer) => void,
  ): void {
    const id = ++this.lastId;
    const end = (code: status, details: string, reply: Buffer | null) => {
      const pending = this.pending.get(id);
      if (pending === undefined) return;
      this.pending.delete(id);
      pending.deadline.cancel();
      if (code === status.OK && reply !== null) callback(null, deserialize(reply));
      else
        callback(
          Object.assign<Error, Omit<ServiceError, keyof Error>>(new Error(details), {
            code,
            details,
            metadata,
          }),
        );
      if (this.closed && this.pending.size === 0) this.connection?.close();
    };
    const deadline = simulation().after(Math.max(0, options.deadline - Date.now()), this.process, () =>
      end(status.DEADLINE_EXCEEDED, "Deadline exceeded", null),
    );
    const call = { id, path, request: serialize(request), metadata };
    this.pending.set(id, { call, deadline, end });
    if (this.connection !== null) this.connection.send(call);
    else this.connect();
  }

  close(): void {
    this.closed = true;
    if (this.pending.size === 0) this.connection?.close();
  }

  private connect(): void {
    if (this.connecting) return;
    this.connecting = true;
    const at = this.address.lastIndexOf(":");
    network().connect({
      from: this.process,
      host: this.address.slice(0, at),
      port: Number(this.address.slice(at + 1)),
      onOpen: (end) => {
        this.connecting = false;
        this.connection = end;
        end.onMessage = (message) => {
          const { id, code, details, reply } = message as Reply;
          this.pending.get(id)?.end(code, details, reply);
        };
        end.onClose = (reason) => this.fail(reason);
        for (const { call } of this.pending.values()) end.send(call);
      },
      onRefused: (reason) => this.fail(reason),
    });
  }

  private fail(reason: string): void {
    this.connection = null;
    this.connecting = false;
    for (const { end } of [...this.pending.values()])
      end(status.UNAVAILABLE, `No connection established. Last error: ${reason}.`, null);
  }
}

/** As when a call that nobody answered is made again over another connection, and both arrive. What an engine asks of replicas and
 * witnesses, that is: a manager's calls are not made to bear that. */
function isRepeated({ path, metadata }: Call): boolean {
  const { repetition } = network();
  if (repetition === 0 || !(path.startsWith(CONTROL) || engineOf(metadata) !== null)) return false;
  return simulation().random.chance(repetition);
}

interface Method {
  path: string;
  requestDeserialize: (bytes: Buffer) => unknown;
  responseSerialize: (message: unknown) => Buffer;
}

export class Server {
  private readonly methods = new Map<string, { method: Method; handle: handleUnaryCall<unknown, unknown> }>();
  private readonly ends = new Set<End>();
  private listener: Listener | null = null;

  addService(
    service: Record<string, Method>,
    handlers: Record<string, handleUnaryCall<unknown, unknown>>,
  ): void {
    for (const [name, method] of Object.entries(service)) {
      const handle = handlers[name];
      if (handle !== undefined) this.methods.set(method.path, { method, handle });
    }
  }

  bindAsync(address: string, _credentials: null, callback: (error: null, port: number) => void): void {
    const process = runningProcess();
    if (process === undefined) throw new Error("only a simulated process listens");
    const port = Number(address.slice(address.lastIndexOf(":") + 1));
    this.listener = network().listen(process, port, (end) => {
      this.ends.add(end);
      end.onClose = () => this.ends.delete(end);
      end.onMessage = (message) => {
        const call = message as Call;
        this.serve(call, (reply) => end.send(reply));
        if (isRepeated(call)) {
          const later = simulation().random.between(0, REPEATED_MS_MAX);
          simulation().after(later, process, () => this.serve(call, () => undefined));
        }
      };
    });
    callback(null, port);
  }

  forceShutdown(): void {
    if (this.listener !== null) network().unlisten(this.listener);
    for (const end of this.ends) end.close();
  }

  private serve({ id, path, request, metadata }: Call, send: (reply: Reply) => void): void {
    const found = this.methods.get(path);
    const answer = (code: status, details: string, reply: Buffer | null) =>
      send({ id, code, details, reply });
    if (found === undefined) {
      answer(status.UNIMPLEMENTED, `${path} is not served`, null);
      return;
    }
    const { method, handle } = found;
    const call = { request: method.requestDeserialize(request), metadata };
    handle(call as never, (error, reply) => {
      if (error != null) answer(error.code ?? status.UNKNOWN, error.details ?? "", null);
      else answer(status.OK, "", method.responseSerialize(reply));
    });
  }
}
