/** Where the driver listens: `unix:///csi/csi.sock`, or `tcp://HOST:PORT`. */
import { lstat, unlink } from "node:fs/promises";

export type Endpoint = { type: "unix"; path: string } | { type: "tcp"; address: string };

/** @throws {Error} it is no endpoint */
export function parseEndpoint(text: string): Endpoint {
  const [, type = "", rest = ""] = /^(unix|tcp):(?:\/\/)?(.+)$/i.exec(text) ?? [];
  if (type.toLowerCase() === "unix" && rest.startsWith("/")) return { type: "unix", path: rest };
  if (type.toLowerCase() === "tcp" && /:\d+$/.test(rest)) return { type: "tcp", address: rest };
  throw new Error(`"${text}" is neither unix:///PATH nor tcp://HOST:PORT`);
}

/** As grpc-js wants it. */
export function bindAddress(endpoint: Endpoint): string {
  return endpoint.type === "unix" ? `unix:${endpoint.path}` : endpoint.address;
}

/** Takes away what a driver before has left. Only a socket: a file may be somebody's. */
export async function removeStaleSocket(endpoint: Endpoint): Promise<void> {
  if (endpoint.type !== "unix") return;
  const found = await lstat(endpoint.path).catch(() => null);
  if (found?.isSocket() === true) await unlink(endpoint.path);
}
