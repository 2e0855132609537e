/** Addresses of other replicas, as Longhorn's callers give them: `H:P`, with `tcp://` or `http://` in front and `/v1` behind or not. */

/** The sync agent's port is this much above a replica's control port. */
export const SYNC_AGENT_PORT_OFFSET = 2;

/** @returns `host:port` of its ReplicaService, IPv6 hosts in brackets
 * @throws {RangeError} naming it */
export function replicaAddress(text: string): string {
  const { host, port } = parse(text);
  return `${host}:${port}`;
}

/** @returns the same of its sync agent */
export function syncAgentAddress(text: string): string {
  const { host, port } = parse(text);
  return `${host}:${port + SYNC_AGENT_PORT_OFFSET}`;
}

function parse(text: string): { host: string; port: number } {
  const plain = text.replace(/^(?:tcp|http):\/\//, "").replace(/\/v1$/, "");
  const match = /^(\[[0-9a-fA-F:.%\w]+\]|[^:[\]\s/]+):(\d{1,5})$/.exec(plain);
  const port = Number(match?.[2] ?? NaN);
  if (match === null || port > 65_535) throw new RangeError(`invalid address ${JSON.stringify(text)}`);
  return { host: match[1] ?? "", port };
}

/** @param host without brackets, or an address whose host is meant */
export function bareHost(host: string): string {
  return host.replace(/^(?:tcp|http):\/\//, "").replace(/^\[(.*)\]$/, "$1");
}
