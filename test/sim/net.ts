/** Stands in for `node:net`: as much of a socket as it takes to see whether anybody listens. */
import { EventEmitter } from "node:events";
import { network, type End } from "./network.js";
import { runningProcess, simulation } from "./simulation.js";

class Socket extends EventEmitter {
  private end: End | null = null;
  private isOver = false;

  constructor({ host, port, signal }: { host: string; port: number; signal?: AbortSignal }) {
    super();
    const process = runningProcess();
    if (process === undefined) throw new Error("only a simulated process connects");
    const fail = (reason: string) => {
      if (this.isOver) return;
      simulation().touch();
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

export function connect(options: { host: string; port: number; signal?: AbortSignal }): Socket {
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
