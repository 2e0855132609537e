/** Stands in for `node:net`: as much of a socket as it takes to see whether anybody listens. */
import { EventEmitter } from "node:events";
import { network, type End } from "./network.js";
import { runningProcess } from "./simulation.js";

/** That were accepted, by what stands for their descriptors. */
const accepted = new Map<number, End>();

/** Another world begins. */
export function forgetConnections(): void {
  accepted.clear();
}
let lastConnection = 1_000_000;

export function newConnection(end: End): number {
  accepted.set(++lastConnection, end);
  return lastConnection;
}

type Options = { host: string; port: number; signal?: AbortSignal };

export class Socket extends EventEmitter {
  end: End | null = null;
  private isOver = false;

  constructor(options: Options | { fd: number }) {
    super();
    if ("fd" in options) {
      this.end = accepted.get(options.fd) ?? null;
      accepted.delete(options.fd);
      return;
    }
    const { host, port, signal } = options;
    const process = runningProcess();
    if (process === undefined) throw new Error("only a simulated process connects");
    const fail = (reason: string) => {
      if (this.isOver) return;
      this.emit("error", new Error(reason));
    };
    signal?.addEventListener("abort", () => fail("The operation was aborted"), { once: true });
    network().connect({
      from: process,
      host,
      port,
      onRefused: fail,
      onOpen: (end) => {
        if (this.isOver) {
          end.close();
          return;
        }
        this.end = end;
        this.emit("connect");
      },
    });
  }

  destroy(): void {
    this.isOver = true;
    this.end?.close();
  }
}

export function connect(options: Options): Socket {
  return new Socket(options);
}

/** Where an engine offers its place to the next one: nobody ever asks here. */
class Server extends EventEmitter {
  listen(): this {
    return this;
  }
  unref(): this {
    return this;
  }
  close(): void {
    this.removeAllListeners();
  }
}

export function createServer(): Server {
  return new Server();
}
