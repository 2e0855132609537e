/** SendTargets, RFC 7143 §13.3: which target answers, at which addresses. */
import type { Pair } from "./text.js";

export interface Portal {
  host: string;
  port: number;
}

export interface DiscoveryOptions {
  targetName: string;
  targetPortalGroupTag: number;
  /** what initiators are told; a wildcard host stands for the address that they came in on */
  portals: readonly Portal[];
}

const WILDCARDS = new Set(["", "0.0.0.0", "::", "*"]);

/** `host:port` or `[host]:port`, the form of a connection's addresses; null when it is neither. */
export function parseAddress(address: string): Portal | null {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(address);
  const host = match?.[1] ?? match?.[2];
  if (match === null || host === undefined) return null;
  return { host: host.replace(/^::ffff:(?=\d+\.)/i, ""), port: Number(match[3]) };
}

/** §13.8: an IPv6 address stands in brackets, the portal group tag follows the port. */
export function formatTargetAddress(portal: Portal, tag: number): string {
  const host = portal.host.includes(":") ? `[${portal.host}]` : portal.host;
  return `${host}:${portal.port},${tag}`;
}

/** @param asked the value of SendTargets
 * @param local the address that the connection came in on, as the addon tells it
 * @returns the answer; null when this session may not ask so (`All` belongs to discovery sessions) */
export function sendTargets(
  options: DiscoveryOptions,
  asked: string,
  session: "normal" | "discovery",
  local: string,
): Pair[] | null {
  if (asked === "All" && session === "normal") return null;
  // Empty: the target that this session is logged in to.
  if (asked === "" && session === "discovery") return null;
  if (asked !== "All" && asked !== "" && asked !== options.targetName) return [];
  const here = parseAddress(local);
  const addresses = options.portals.map((portal) =>
    WILDCARDS.has(portal.host) && here !== null ? { host: here.host, port: portal.port } : portal,
  );
  if (addresses.length === 0 && here !== null) addresses.push(here);
  const texts = addresses.map((portal) => formatTargetAddress(portal, options.targetPortalGroupTag));
  return [
    ["TargetName", options.targetName],
    ...[...new Set(texts)].map((text): Pair => ["TargetAddress", text]),
  ];
}
