/** The manager's REST API for our own programs: calls, and lists that are sent again when they have changed. */
import type { IncomingMessage, request as httpRequest } from "node:http";
import { RestError, unreachable, UnreachableError } from "./errors.js";
import { ACTION_TIMEOUT_MS, CALL_TIMEOUT_MS, REPLY_BYTES_MAX } from "./limits.js";
import type { ActionInput, ActionName, ActionOutput, CollectionName, FieldsOf, ItemOf } from "./resources.js";

export interface ClientOptions {
  /** "http://HOST:PORT", with the path of a proxy if there is one; `/v1` at its end is understood */
  url: string;
  /** that the server asks for; null: none */
  token: string | null;
  /** ms that any call may take; the usual ones, if absent */
  timeoutMs?: number;
}

/** All calls reject with `RestError` when the manager refuses, and with `UnreachableError` when it does not answer. */
export class RestClient {
  /** without `/v1` and slashes at its end */
  readonly url: string;
  readonly #headers: Record<string, string>;

  /** @throws {TypeError} the URL is none of http or https */
  constructor(private readonly options: ClientOptions) {
    const url = new URL(options.url);
    if (url.protocol !== "http:" && url.protocol !== "https:")
      throw new TypeError(`${options.url} is no URL of http or https`);
    this.url = `${url.origin}${url.pathname.replace(/\/+$/, "").replace(/\/v1$/, "")}`;
    this.#headers = options.token === null ? {} : { Authorization: `Bearer ${options.token}` };
  }

  async list<C extends CollectionName>(collection: C): Promise<ItemOf<C>[]> {
    const { data } = (await this.#call("GET", `/v1/${collection}`)) as { data: ItemOf<C>[] };
    return data;
  }

  /** @returns null: there is none of that name */
  async get<C extends CollectionName>(collection: C, name: string): Promise<ItemOf<C> | null> {
    try {
      return (await this.#call("GET", pathOf(collection, name))) as ItemOf<C>;
    } catch (error) {
      if (error instanceof RestError && error.status === 404) return null;
      throw error;
    }
  }

  create<C extends CollectionName>(collection: C, fields: FieldsOf<C>): Promise<ItemOf<C>> {
    return this.#call("POST", `/v1/${collection}`, fields) as Promise<ItemOf<C>>;
  }

  update<C extends CollectionName>(collection: C, name: string, fields: FieldsOf<C>): Promise<ItemOf<C>> {
    return this.#call("PUT", pathOf(collection, name), fields) as Promise<ItemOf<C>>;
  }

  async delete(collection: CollectionName, name: string): Promise<void> {
    await this.#call("DELETE", pathOf(collection, name));
  }

  act<C extends CollectionName, A extends ActionName<C>>(
    collection: C,
    name: string,
    action: A,
    input: ActionInput<C, A>,
  ): Promise<ActionOutput<C, A>> {
    const path = `${pathOf(collection, name)}?action=${action}`;
    return this.#call("POST", path, input, ACTION_TIMEOUT_MS[action]) as Promise<ActionOutput<C, A>>;
  }

  /** The list as it is now, then again whenever it has changed; what changes while one is looked at is in the next.
   * @throws {UnreachableError} when the stream ends without having been asked to */
  async *watch<C extends CollectionName>(
    collection: C,
    signal: AbortSignal,
  ): AsyncGenerator<ItemOf<C>[], void> {
    const { streamOf } = await import("./stream.js");
    for await (const text of streamOf(this.url, collection, this.#headers, signal))
      yield (this.#parse(text) as { data: ItemOf<C>[] }).data;
  }

  async #call(
    method: string,
    path: string,
    body?: object,
    usualMs: number = CALL_TIMEOUT_MS,
  ): Promise<unknown> {
    const { timeoutMs = usualMs } = this.options;
    const { status, text } = await this.#exchange(method, path, body, timeoutMs).catch((error: unknown) => {
      throw error instanceof UnreachableError ? error : unreachable(this.url, error);
    });
    if (status >= 200 && status < 300) return text === "" ? null : this.#parse(text);
    throw new RestError(
      status,
      messageOf(text) ?? (status === 404 ? "not found" : `status ${status}: ${excerpt(text)}`),
    );
  }

  /** A connection per call: one that is kept may be closed just when it is used again, and nobody could say then whether
   * what was asked for was done. */
  async #exchange(
    method: string,
    path: string,
    body: object | undefined,
    timeoutMs: number,
  ): Promise<{ status: number; text: string }> {
    const { request } = (await (this.url.startsWith("https:")
      ? import("node:https")
      : import("node:http"))) as {
      request: typeof httpRequest;
    };
    const sent = body === undefined ? "" : JSON.stringify(body);
    const signal = AbortSignal.timeout(timeoutMs);
    return new Promise((resolve, reject) => {
      const fail = (error: Error) =>
        reject(
          signal.aborted ? new UnreachableError(this.url, `no answer within ${timeoutMs / 1000} s`) : error,
        );
      const headers = {
        ...this.#headers,
        ...(body === undefined
          ? {}
          : { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(sent) }),
      };
      const call = request(this.url + path, { method, headers, agent: false, signal }, (response) => {
        readText(response).then((text) => resolve({ status: response.statusCode ?? 0, text }), fail);
      });
      call.on("error", fail);
      call.end(sent);
    });
  }

  #parse(text: string): unknown {
    try {
      return JSON.parse(text) as unknown;
    } catch {
      throw new UnreachableError(this.url, `what answers there is no manager: ${excerpt(text)}`);
    }
  }
}

function pathOf(collection: string, name: string): string {
  return `/v1/${collection}/${encodeURIComponent(name)}`;
}

async function readText(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > REPLY_BYTES_MAX) throw new Error(`a reply has more than ${REPLY_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** Of Longhorn's error envelope; null when the text is none. */
function messageOf(text: string): string | null {
  try {
    const { message } = JSON.parse(text) as { message?: unknown };
    return typeof message === "string" && message !== "" ? message : null;
  } catch {
    return null;
  }
}

function excerpt(text: string): string {
  const line = text.trim().split("\n")[0] ?? "";
  return JSON.stringify(line.length > 60 ? `${line.slice(0, 60)}...` : line);
}
