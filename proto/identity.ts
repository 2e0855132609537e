/** Whom a call is meant for, in gRPC metadata, so that a stale address cannot reach another volume's process. As in
 * Longhorn, a name is compared only when both ends know it. */
import { Metadata, status } from "@grpc/grpc-js";
import { RpcError } from "./rpc-error.js";

export interface Identity {
  volumeName?: string | undefined;
  instanceName?: string | undefined;
}

export interface ServerIdentity extends Identity {
  /** what a refusal calls the server; a sync agent says replica */
  role: "controller" | "replica";
}

const KEYS = [
  { key: "volume-name", field: "volumeName", word: "volume" },
  { key: "instance-name", field: "instanceName", word: "instance" },
] as const;

/** Metadata that names whom a call is meant for; unknown names are left out. */
export function identityMetadata(identity: Identity): Metadata {
  const metadata = new Metadata();
  for (const { key, field } of KEYS) {
    const name = identity[field] ?? "";
    if (name !== "") metadata.set(key, name);
  }
  return metadata;
}

/** @throws {RpcError} FAILED_PRECONDITION when the caller means somebody else */
export function checkIdentity(metadata: Metadata, server: ServerIdentity): void {
  for (const { key, field, word } of KEYS) {
    const own = server[field] ?? "";
    const sent = metadata.get(key);
    const [name] = sent;
    if (own === "" || sent.length !== 1 || typeof name !== "string" || name === "" || name === own) continue;
    // Node joins a header that came several times; no name holds a comma. Such a header is ignored.
    if (name.includes(",")) continue;
    throw new RpcError(
      status.FAILED_PRECONDITION,
      `incorrect ${word} name ${name}; check ${server.role} address`,
    );
  }
}
