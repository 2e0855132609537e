/** How far it is with a node that is to be emptied, or to go down for a while: told from nodes, volumes and events. Pure. */
import type { EventResource, Node, Volume } from "../../rest-client/resources.js";
import { disksOf } from "./node-text.js";
import { done, inVain, lacksPlaces, placesText, underWay, type Progress } from "./progress.js";
import { currentCopies, nodeOf, oneLine, rebuildPercent } from "./volume-text.js";
import { count, list } from "./words.js";

const SHOWN_MAX = 3;

export interface Cluster {
  nodes: readonly Node[];
  volumes: readonly Volume[];
}

// ------------------------------------------------------------------------------------------------ it goes down for a while

/** What a volume with a copy on the node is to that. */
type Standing =
  | { is: "safe"; on: readonly string[] }
  /** for the healthy copy elsewhere that it lacks */
  | { is: "waiting"; why: string; percent: number | null }
  /** it will not get one by itself */
  | { is: "stuck"; why: string };

/** Each volume that has a copy on a node has a healthy one on another, whatever else is there: nothing has to move. */
export function mayGoDown(node: string): (cluster: Cluster) => Progress {
  return ({ nodes, volumes }) => {
    const found = nodes.find(({ name }) => name === node);
    if (found === undefined) return inVain(`node ${node} is gone`);
    if (found.allowScheduling) return inVain(`${node} is not cordoned any more: it is in use again`);
    const there = volumes.filter(
      ({ state, replicas }) => state !== "deleting" && replicas.some(({ hostId }) => hostId === node),
    );
    const standings = there.map((volume) => standingOf(volume, node, nodes));
    const stuck = standings.flatMap((one) => (one.is === "stuck" ? [one.why] : []));
    if (stuck.length > 0) return inVain([`${node} must not go down yet, and stays cordoned:`, ...stuck].join("\n  ")); // prettier-ignore
    const waiting = standings.flatMap((one) => (one.is === "waiting" ? [one] : []));
    if (waiting.length > 0) {
      const shown = waiting.slice(0, SHOWN_MAX).map(({ why }) => why);
      const more = waiting.length > SHOWN_MAX ? "; ..." : "";
      return underWay(`${count(waiting.length, "volume")} without a healthy copy elsewhere: ${shown.join("; ")}${more}`, waiting[0]?.percent ?? null); // prettier-ignore
    }
    const copies =
      there.length === 0
        ? "no volume has a copy there"
        : `each volume with a copy there (${there.length}) has a healthy one elsewhere`;
    return done([`${node} may go down: ${copies}.`, ...cautions(node, { nodes, volumes }, there, standings)].join("\n")); // prettier-ignore
  };
}

function standingOf(volume: Volume, node: string, nodes: readonly Node[]): Standing {
  const { name, state, robustness, numberOfReplicas, replicas, offlineRebuilding, dataLocality } = volume;
  // What is known of its copies is what its engine told last.
  if (robustness === "unknown" && state !== "detached")
    return { is: "waiting", why: `${name}: its engine cannot be asked`, percent: null };
  const on = currentCopies(volume)
    .filter((copy) => copy.hostId !== node && isUp(nodes, copy.hostId, copy.diskID))
    .map(({ hostId }) => hostId);
  if (on.length > 0) return { is: "safe", on };
  if (robustness === "faulted")
    return { is: "stuck", why: `${name} is faulted, and its data may be on ${node} alone. aurochs explain ${name} says more` }; // prettier-ignore
  if (dataLocality === "strict-local")
    return { is: "stuck", why: `${name} is strict-local: its one copy is on ${node}, and it cannot be used before ${node} is back` }; // prettier-ignore
  if (numberOfReplicas <= 1 && replicas.every(({ hostId }) => hostId === node))
    return { is: "stuck", why: `${name} wants one copy, which is on ${node}: aurochs volume update ${name} --replicas 2 makes another, aurochs node evict ${node} moves it` }; // prettier-ignore
  const percent = rebuildPercent(volume);
  if (percent !== null) return { is: "waiting", why: `${name} is being rebuilt`, percent };
  const away = replicas.filter(
    ({ hostId, failedAt }) => hostId !== node && failedAt === "" && !isUp(nodes, hostId, null),
  );
  const why = lacksPlaces(volume)
    ? placesText(volume)
    : away.length > 0
      ? `${list(away.map(({ hostId }) => hostId))} cannot be reached`
      : state === "detached" && offlineRebuilding !== "enabled"
        ? "detached, and copies are rebuilt while a volume is attached, or if offline-replica-rebuilding says so"
        : state;
  return { is: "waiting", why: `${name}: ${why}`, percent: null };
}

/** @param diskID null: any */
function isUp(nodes: readonly Node[], name: string, diskID: string | null): boolean {
  const node = nodes.find((one) => one.name === name);
  if (node?.conditions["Ready"]?.status !== "True") return false;
  const disk = disksOf([node]).find(({ diskUUID }) => diskUUID === diskID);
  return disk === undefined ? diskID === null : disk.conditions["Ready"]?.status === "True";
}

/** What somebody should know before the node goes down, a line each. */
function cautions(
  node: string,
  { nodes, volumes }: Cluster,
  there: readonly Volume[],
  standings: readonly Standing[],
): string[] {
  const cordoned = new Set(nodes.filter((one) => !one.allowScheduling).map(({ name }) => name));
  const leaning = there.flatMap(({ name }, index) => {
    const standing = standings[index];
    const others = standing?.is === "safe" ? standing.on.filter((other) => cordoned.has(other)) : [];
    if (others.length === 0) return [];
    return [
      `Not together with ${list(others, "or")}, cordoned as well: too little would be left of ${name}.`,
    ];
  });
  return [
    ...leaning,
    ...unwitnessed(node, nodes, there),
    ...downAsWell(node, nodes),
    ...stillAttached(node, volumes),
  ];
}

/** Where volumes have their witnesses is not told. */
function downAsWell(node: string, nodes: readonly Node[]): string[] {
  const down = nodes.map(({ name }) => name).filter((name) => name !== node && !isUp(nodes, name, null));
  if (down.length === 0) return [];
  return [`${list(down)} cannot be reached either: a volume that is not attached may have to wait for one of them, since most of its copies and its witness have to be there.`]; // prettier-ignore
}

/** With two copies and no witness the one that is left cannot be proved to be current by an engine that starts meanwhile. */
function unwitnessed(node: string, nodes: readonly Node[], there: readonly Volume[]): string[] {
  const names = there
    .filter(
      ({ conditions }) =>
        conditions["Witnessed"]?.status === "False" ||
        (conditions["Witnessed"] === undefined && nodes.length < 3),
    ) // prettier-ignore
    .map(({ name }) => name);
  if (names.length === 0) return [];
  return [`No witness counts for ${list(names)}: what is detached, or attached to ${node}, cannot be attached before ${node} is back. Attach to another node first what is needed meanwhile.`]; // prettier-ignore
}

/** Whom it cuts off. */
function stillAttached(node: string, volumes: readonly Volume[]): string[] {
  const names = volumes.filter((volume) => nodeOf(volume) === node).map(({ name }) => name);
  if (names.length === 0) return [];
  return [
    `Still attached there: ${list(names)}. Move their users first: aurochs volume detach, or in Kubernetes kubectl drain.`,
  ];
}

// ------------------------------------------------------------------------------------------------ it is emptied

/** Nothing is left on a node, or on one of its disks.
 * @param before events when it was asked for: what failed earlier does not count */
export function emptied(
  node: string,
  disk: string | null,
  before: readonly EventResource[],
): (cluster: Cluster & { events: readonly EventResource[] }) => Progress {
  const what = disk === null ? node : `disk ${disk} of ${node}`;
  const known = new Set(before.map(stamp));
  return ({ nodes, volumes, events }) => {
    const found = nodes.find(({ name }) => name === node);
    if (found === undefined) return inVain(`node ${node} is gone`);
    const disks = Object.entries(found.disks ?? {}).filter(([name]) => disk === null || name === disk);
    const left = disks.flatMap(([, { scheduledReplica }]) => Object.keys(scheduledReplica));
    if (left.length === 0)
      return done([`no replica is left on ${what}`, ...(disk === null ? stillAttached(node, volumes) : [])].join("\n")); // prettier-ignore
    const isWanted = found.evictionRequested || disks.some(([, { evictionRequested }]) => evictionRequested);
    if (!isWanted) return inVain(`${what} is not to be emptied any more`);
    const named = left.length > SHOWN_MAX ? `${left.slice(0, SHOWN_MAX).join(", ")}, ...` : list(left);
    const failed = events.findLast(
      (one) =>
        one.event.reason === "EvictionFailed" &&
        !known.has(stamp(one)) &&
        left.some((replica) => replica.startsWith(`${one.event.involvedObject.name}-r-`)),
    );
    return underWay(`${count(left.length, "replica")} left: ${named}${failed === undefined ? "" : `; ${oneLine(failed.event.message)}`}`); // prettier-ignore
  };
}

/** Of an event that may happen again. */
function stamp({ id, event }: EventResource): string {
  return `${id} ${event.lastTimestamp} ${event.count}`;
}
