/** Bodies of requests. */
import type { IncomingMessage } from "node:http";
import { BODY_BYTES_MAX } from "../limits.js";
import { ApiError } from "./errors.js";

/** @returns the JSON value, {} when nothing was sent
 * @throws {ApiError} it is too long, no UTF-8, or no JSON */
export async function readBody(request: IncomingMessage): Promise<unknown> {
  const encoding = request.headers["content-encoding"] ?? "identity";
  if (encoding !== "identity") throw new ApiError("INVALID", `a body in encoding ${encoding} is not read`);
  const told = Number(request.headers["content-length"] ?? 0);
  if (told > BODY_BYTES_MAX) throw tooLarge();
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > BODY_BYTES_MAX) throw tooLarge();
    chunks.push(chunk);
  }
  return parseBody(Buffer.concat(chunks));
}

/** @throws {ApiError} */
export function parseBody(bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new ApiError("INVALID", "the body is no UTF-8 text");
  }
  if (text.trim() === "") return {};
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new ApiError("INVALID", `the body is no JSON: ${(error as Error).message}`);
  }
}

function tooLarge(): ApiError {
  return new ApiError("TOO_LARGE", `the body has more than ${BODY_BYTES_MAX} bytes`);
}
