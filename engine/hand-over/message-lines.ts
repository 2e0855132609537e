/** Lines of JSON on a socket, bounded: what two engines say to each other. */
import type { Socket } from "node:net";
import { MESSAGE_BYTES_MAX } from "./limits.js";

export class MessageLines {
  #received = "";
  #ended = false;
  #wake: () => void = () => undefined;

  constructor(private readonly socket: Socket) {
    socket.setEncoding("utf8").on("data", (text: string) => {
      this.#received += text;
      // Nobody who means it says so much.
      if (this.#received.length > MESSAGE_BYTES_MAX) socket.destroy();
      this.#wake();
    });
    socket.on("close", () => {
      this.#ended = true;
      this.#wake();
    });
    socket.on("error", () => undefined); // "close" follows
  }

  send(message: object): void {
    this.socket.write(`${JSON.stringify(message)}\n`);
  }

  /** @returns the next message; null when the connection has ended, or what came is none */
  async next(): Promise<Partial<Record<string, unknown>> | null> {
    for (;;) {
      const end = this.#received.indexOf("\n");
      if (end >= 0) {
        const line = this.#received.slice(0, end);
        this.#received = this.#received.slice(end + 1);
        return parse(line);
      }
      if (this.#ended) return null;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

function parse(line: string): Partial<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null ? value : null;
  } catch {
    return null;
  }
}
