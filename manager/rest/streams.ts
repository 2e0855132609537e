/**
 * Lists that are sent again when they have changed, over WebSockets. Each message is a whole list. A client has one message on
 * its way at most: what changes meanwhile is in the next one, and who does not take it in time is closed.
 */
import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { WebSocket } from "ws";
import type { Backend } from "./backend.js";
import { COLLECTIONS, type CollectionName, type ListSource } from "./collections.js";
import { renderCollection } from "./http/envelope.js";
import { Urls } from "./http/urls.js";
import { PING_PERIOD_MS, STREAM_PERIOD_MS_MAX, WRITE_TIMEOUT_MS } from "./limits.js";

export interface StreamTimes {
  pingMs: number;
  writeMs: number;
}

const TIMES: StreamTimes = { pingMs: PING_PERIOD_MS, writeMs: WRITE_TIMEOUT_MS };

/** Lists that have no stream. */
const UNSTREAMED: ReadonlySet<string> = new Set([
  "instancemanagers",
  "nodetags",
  "disktags",
  "supportbundles",
]);

export interface StreamRequest {
  source: ListSource;
  /** ms, at least, between two messages */
  periodMs: number;
}

/** @param path without the query
 * @returns null when there is no such stream */
export function streamOf(path: string): StreamRequest | null {
  const [, period, name = ""] = /^\/v1\/ws\/(?:([^/]+)\/)?([a-z]+)$/.exec(path) ?? [];
  if (!Object.hasOwn(COLLECTIONS, name) || UNSTREAMED.has(name)) return null;
  return {
    source: COLLECTIONS[name as CollectionName],
    periodMs: period === undefined ? 0 : periodOf(period),
  };
}

const UNITS_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1e3,
  m: 6e4,
  h: 36e5,
};

/** A duration as Go writes it; 0 when it is none. */
function periodOf(text: string): number {
  const parts = /^\+?((?:\d{1,9}(?:\.\d{0,9})?(?:ns|us|µs|ms|s|m|h)){1,8})$/.exec(decode(text))?.[1] ?? "";
  const sum = [...parts.matchAll(/(\d+(?:\.\d*)?)(ns|us|µs|ms|s|m|h)/g)].reduce(
    (total, [, amount, unit = "s"]) => total + Number(amount) * (UNITS_MS[unit] ?? 0),
    0,
  );
  return Math.min(sum, STREAM_PERIOD_MS_MAX);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}

export class Stream {
  readonly #unwatch: (() => void)[];
  readonly #urls: Urls;
  /** digest of the last message */
  #last = "";
  #lastAt = -Infinity;
  #stale = true;
  #sending = false;
  #answered = true;
  #timer: NodeJS.Timeout | null = null;
  readonly #ping: NodeJS.Timeout;

  /** @param onError is told why a list could not be read; the client is closed then */
  constructor(
    private readonly socket: WebSocket,
    request: IncomingMessage,
    private readonly backend: Backend,
    private readonly wanted: StreamRequest,
    private readonly onError: (error: unknown) => void,
    private readonly times = TIMES,
  ) {
    this.#urls = Urls.of(request.headers, (request.url ?? "").split("?")[0] ?? "");
    this.#unwatch = this.#watch();
    this.#ping = setInterval(() => this.#keepAlive(), times.pingMs);
    socket.on("pong", () => (this.#answered = true));
    socket.on("close", () => this.#end());
    // Of a protocol that is none, or too long: the socket closes itself.
    socket.on("error", () => this.#end());
    this.#next();
  }

  close(): void {
    this.socket.terminate();
    this.#end();
  }

  #watch(): (() => void)[] {
    const { changesOf } = this.wanted.source;
    const changed = () => {
      this.#stale = true;
      this.#next();
    };
    if (changesOf === "events") return [this.backend.events.watch(changed)];
    return changesOf.map((kind) => this.backend.store.watch(kind, { onChange: changed }));
  }

  #end(): void {
    clearInterval(this.#ping);
    if (this.#timer !== null) clearTimeout(this.#timer);
    for (const end of this.#unwatch.splice(0)) end();
  }

  #keepAlive(): void {
    if (!this.#answered) {
      this.close();
      return;
    }
    this.#answered = false;
    this.socket.ping();
  }

  /** Sends what is new, when it is time to. */
  #next(): void {
    if (!this.#stale || this.#sending || this.#timer !== null) return;
    const wait = Math.max(0, this.#lastAt + this.wanted.periodMs - performance.now());
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#send().catch((error: unknown) => {
        this.onError(error);
        this.close();
      });
    }, wait);
  }

  async #send(): Promise<void> {
    this.#sending = true;
    this.#stale = false;
    const { of, list } = this.wanted.source;
    const message = JSON.stringify(renderCollection({ of, items: await list(this.backend) }, this.#urls));
    const digest = createHash("sha256").update(message).digest("base64");
    if (digest !== this.#last && this.socket.readyState === WebSocket.OPEN) {
      this.#last = digest;
      this.#lastAt = performance.now();
      if (!(await this.#write(message))) return;
    }
    this.#sending = false;
    this.#next();
  }

  /** @returns whether it has left: the kernel has all of it */
  #write(message: string): Promise<boolean> {
    return new Promise((resolve) => {
      const deadline = setTimeout(() => this.close(), this.times.writeMs);
      this.socket.send(message, (error) => {
        clearTimeout(deadline);
        if (error instanceof Error) this.close();
        resolve(!(error instanceof Error));
      });
    });
  }
}
