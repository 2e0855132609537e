/** Longhorn's `rest` frontend, for debugging: reads and writes of a volume as JSON over HTTP, on the loopback address.
 *
 *   GET  /v1/volumes                                    all volumes, which is one
 *   POST /v1/volumes/BASE64-OF-NAME?action=readat       {"offset":N,"length":N}               -> {"data":BASE64}
 *   POST /v1/volumes/BASE64-OF-NAME?action=writeat      {"offset":N,"length":N,"data":BASE64} -> {}
 */
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { REST_BODY_BYTES_MAX, REST_IO_BYTES_MAX, REST_IO_MULTIPLE } from "./limits.js";

export interface RestVolume {
  name: string;
  /** bytes */
  size: number;
  read: (offset: number, length: number) => Promise<Uint8Array>;
  /** resolves when the volume has acknowledged it */
  write: (offset: number, data: Uint8Array) => Promise<void>;
}

/** What a client did wrong. */
class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

export class RestServer {
  private constructor(private readonly server: Server) {}

  /** @param port 0: any free one
   * @throws {Error} when the port cannot be listened on */
  static async serve(volume: RestVolume, host: string, port: number): Promise<RestServer> {
    const server = createServer((request, response) => {
      answer(volume, request)
        .then(
          (body) => ({ status: 200, body }),
          (error: unknown) => {
            const status = error instanceof Refusal ? error.status : 500;
            return { status, body: { type: "error", status, message: (error as Error).message } };
          },
        )
        .then(({ status, body }) => {
          response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
        })
        .catch(() => response.destroy());
    });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject).listen(port, host, resolve);
    });
    return new RestServer(server);
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** Waits for requests under way. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    this.server.closeIdleConnections();
    await closed;
  }
}

async function answer(volume: RestVolume, request: IncomingMessage): Promise<object> {
  const { pathname, searchParams } = new URL(request.url ?? "/", "http://localhost");
  const id = Buffer.from(volume.name).toString("base64");
  const resource = { id, type: "volume", name: volume.name, size: String(volume.size) };
  if (pathname === "/v1/volumes") {
    requireMethod(request, "GET");
    return { type: "collection", resourceType: "volume", data: [resource] };
  }
  const asked = /^\/v1\/volumes\/([^/]+)$/.exec(pathname)?.[1];
  if (asked === undefined) throw new Refusal(404, `there is no ${pathname}`);
  if (decodeURIComponent(asked) !== id) throw new Refusal(404, `there is no volume with id ${asked}`);
  const action = searchParams.get("action");
  if (action === null) {
    requireMethod(request, "GET");
    return resource;
  }
  requireMethod(request, "POST");
  const body = parseBody(await bodyOf(request));
  switch (action) {
    case "readat": {
      const { offset, length } = rangeOf(body, volume.size);
      const data = Buffer.from(await volume.read(offset, length));
      return { type: "readOutput", data: data.toString("base64") };
    }
    case "writeat": {
      const { offset, length } = rangeOf(body, volume.size);
      const data = dataOf(body, length);
      await volume.write(offset, data);
      return { type: "writeOutput" };
    }
    default:
      throw new Refusal(400, `there is no action ${action}`);
  }
}

function requireMethod({ method = "" }: IncomingMessage, wanted: "GET" | "POST"): void {
  if (method !== wanted) throw new Refusal(405, `the method is ${method}, not ${wanted}`);
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > REST_BODY_BYTES_MAX)
      throw new Refusal(413, `the body is longer than ${REST_BODY_BYTES_MAX} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}

type Body = Partial<Record<string, unknown>>;

function parseBody(text: string): Body {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    throw new Refusal(400, "the body is not JSON");
  }
  if (typeof body !== "object" || body === null) throw new Refusal(400, "the body is no object");
  return body;
}

function rangeOf(body: Body, size: number): { offset: number; length: number } {
  const offset = numberOf(body, "offset");
  const length = numberOf(body, "length");
  if (length > REST_IO_BYTES_MAX)
    throw new Refusal(400, `length ${length} is more than ${REST_IO_BYTES_MAX} bytes`);
  if (offset + length > size)
    throw new Refusal(400, `offset ${offset} and length ${length} pass the end of the volume, ${size}`);
  return { offset, length };
}

function numberOf(body: Body, name: string): number {
  const value = body[name];
  if (
    typeof value !== "number" ||
    !Number.isSafeInteger(value) ||
    value < 0 ||
    value % REST_IO_MULTIPLE !== 0
  )
    throw new Refusal(400, `${name} is not a multiple of ${REST_IO_MULTIPLE}: ${JSON.stringify(value)}`);
  return value;
}

function dataOf(body: Body, length: number): Buffer {
  const text = body["data"];
  if (typeof text !== "string") throw new Refusal(400, "data is missing");
  const data = Buffer.from(text, "base64");
  if (data.length !== length) throw new Refusal(400, `data has ${data.length} bytes, length says ${length}`);
  return data;
}
