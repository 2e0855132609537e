/** Addresses as Longhorn's clients take them: with or without `tcp://` or `http://` in front and `/v1` behind. Pure. */
import { formatHostPort, parseHostPort } from "../host-port.js";

/** The sync agent's port is this much above a replica's control port. */
const SYNC_AGENT_PORT_OFFSET = 2;

/** @returns `host:port` */
export function grpcAddress(url: string): string {
  return url.replace(/^(?:tcp|http):\/\//, "").replace(/\/v1$/, "");
}

/** @throws {RangeError} */
export function syncAgentAddress(replicaUrl: string): string {
  const { host, port } = parseHostPort(grpcAddress(replicaUrl));
  return formatHostPort({ host, port: port + SYNC_AGENT_PORT_OFFSET });
}

/** @throws {RangeError} */
export function hostOf(url: string): string {
  return parseHostPort(grpcAddress(url)).host;
}
