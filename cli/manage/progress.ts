/** How far something is that takes long, told from the volume. Pure: one function per thing that is waited for. */
import type { Node, Volume } from "../../rest-client/resources.js";
import { currentCopies, nodeOf, oneLine, rebuildPercent, ticketName } from "./volume-text.js";
import { count, list, size } from "./words.js";

export type Progress =
  | { is: "done"; text: string }
  /** it will not come about by itself */
  | { is: "in vain"; why: string }
  | { is: "under way"; text: string; percent: number | null };

/** @param item null: there is none any more
 * @param forMs since it was asked for */
export type Step<T = Volume> = (item: T | null, forMs: number) => Progress;

/** ms in which an engine says that it has begun what it was told to. */
const BEGIN_MS = 5_000;

/** Types of tickets that somebody has to take back. */
const WORKLOADS: ReadonlySet<string> = new Set(["longhorn-api", "csi-attacher", "share-manager-controller"]);

const done = (text: string): Progress => ({ is: "done", text });
const inVain = (why: string): Progress => ({ is: "in vain", why });
const underWay = (text: string, percent: number | null = null): Progress => ({
  is: "under way",
  text,
  percent,
});

/** Of steps that need the volume. */
function ofVolume(name: string, step: (volume: Volume, forMs: number) => Progress): Step {
  return (volume, forMs) => {
    if (volume === null) return inVain(`volume ${name} is gone`);
    if (volume.state === "deleting") return inVain(`volume ${name} is being deleted`);
    if (volume.state === "detached" && volume.robustness === "faulted")
      return inVain(`volume ${name} is faulted: no copy can be used. aurochs explain ${name} says more`);
    return step(volume, forMs);
  };
}

export function created(name: string): Step {
  return ofVolume(name, (volume) => {
    if (lacksPlaces(volume)) return underWay(placesText(volume));
    return volume.state === "creating" || volume.replicas.length === 0
      ? underWay("places for its copies are looked for")
      : done(`${name} is made, with ${count(volume.replicas.length, "copy", "copies")} on ${list(volume.replicas.map(({ hostId }) => hostId))}`); // prettier-ignore
  });
}

/** @param id of the ticket */
export function attached(name: string, id: string, node: string): Step {
  return ofVolume(name, (volume) => {
    const ticket = volume.volumeAttachment.attachments[id];
    if (ticket?.nodeID !== node) return inVain(`${node} is not asked for any more`);
    const device = volume.controllers?.find(({ hostId }) => hostId === node)?.endpoint ?? "";
    if (ticket.satisfied) return done(`${name} is attached to ${node}${device === "" ? "" : `: ${device}`}`);
    const wrong = ticket.conditions.find(({ status, message }) => status === "False" && message !== "");
    if (wrong !== undefined) return inVain(wrong.message);
    const where = nodeOf(volume);
    if (where !== "" && where !== node) {
      const others = Object.values(volume.volumeAttachment.attachments).filter(
        ({ nodeID }) => nodeID === where,
      );
      return underWay(
        `${volume.state} on ${where}${others.length === 0 ? "" : `, for ${list(others.map(ticketName))}`}`,
      );
    }
    if (lacksPlaces(volume)) return underWay(placesText(volume));
    const running = volume.replicas.filter((replica) => replica.running).length;
    return underWay(
      `${volume.state}, ${running} of ${count(volume.replicas.length, "copy", "copies")} running`,
    );
  });
}

export function detached(name: string): Step {
  return (volume) => {
    if (volume === null) return inVain(`volume ${name} is gone`);
    if (volume.state === "detached") return done(`${name} is detached`);
    const tickets = Object.values(volume.volumeAttachment.attachments);
    const wanted = list(tickets.map((ticket) => `on ${ticket.nodeID} by ${ticketName(ticket)}`));
    // The manager's own work ends by itself.
    if (tickets.some(({ attachmentType }) => WORKLOADS.has(attachmentType)))
      return inVain(`${name} is still wanted: ${wanted}`);
    if (tickets.length > 0) return underWay(`${volume.state}, worked on: ${wanted}`);
    return underWay(volume.state);
  };
}

/** As many current copies as are wanted. */
export function healthy(name: string): Step {
  return ofVolume(name, (volume) => {
    const { state, robustness, numberOfReplicas } = volume;
    const copies = `${currentCopies(volume).length} of ${count(numberOfReplicas, "copy", "copies")}`;
    if (state === "attached" && robustness === "healthy") return done(`${name} is healthy: ${copies}`);
    const isWanted = Object.keys(volume.volumeAttachment.attachments).length > 0;
    if (state === "detached" && !isWanted && volume.offlineRebuilding !== "enabled")
      return inVain(`${name} is detached, and copies are rebuilt while a volume is attached`);
    const rebuild = volume.rebuildStatus.find(({ isRebuilding }) => isRebuilding);
    if (rebuild !== undefined)
      return underWay(
        `${copies}; ${rebuild.replica} is rebuilt from ${rebuild.fromReplica}`,
        rebuildPercent(volume),
      );
    if (lacksPlaces(volume)) return underWay(`${copies}; ${placesText(volume)}`);
    const failed = volume.rebuildStatus.find(({ error }) => error !== "");
    if (failed !== undefined) return underWay(`${copies}; rebuild of ${failed.replica}: ${failed.error}`);
    return underWay(`${state}, ${copies}`);
  });
}

/** @param before the volume when it was asked for: what failed earlier does not count */
export function expanded(name: string, before: Volume): Step {
  const failedBefore = new Set(before.controllers?.map(({ lastExpansionFailedAt }) => lastExpansionFailedAt));
  return ofVolume(name, (volume) => {
    const wanted = Number(volume.size);
    const controllers = volume.controllers ?? [];
    const failed = controllers.find(
      ({ lastExpansionError, lastExpansionFailedAt }) =>
        lastExpansionError !== "" && !failedBefore.has(lastExpansionFailedAt),
    );
    if (failed !== undefined) return inVain(oneLine(failed.lastExpansionError));
    const isDone = controllers.some(({ size: has, isExpanding }) => Number(has) >= wanted && !isExpanding);
    if (isDone) return done(`${name} has ${size(wanted)}`);
    return underWay(`${volume.state}, growing to ${size(wanted)}`);
  });
}

export function cloned(name: string): Step {
  return ofVolume(name, (volume) => {
    const { state, sourceVolume, attemptCount } = volume.cloneStatus;
    if (state === "completed") return done(`${name} is a copy of ${sourceVolume || volume.dataSource}`);
    if (state === "failed")
      return inVain(`copying ${volume.dataSource} failed after ${count(attemptCount, "attempt")}`);
    if (lacksPlaces(volume)) return underWay(placesText(volume));
    return underWay(
      `${state === "" ? "waits for its source" : state}${attemptCount > 1 ? `, attempt ${attemptCount}` : ""}`,
    );
  });
}

/** An engine tells of its last purge until the next one has begun. */
export function purged(name: string): Step {
  let hasBegun = false;
  return ofVolume(name, (volume, forMs) => {
    const all = volume.purgeStatus ?? [];
    const running = all.filter(({ isPurging }) => isPurging);
    hasBegun ||= running.length > 0;
    if (running.length > 0) {
      const percent = Math.floor(all.reduce((sum, { progress }) => sum + progress, 0) / all.length);
      return underWay(`${count(running.length, "copy", "copies")} purging`, percent);
    }
    if (volume.state !== "attached")
      return inVain(`${name} is ${volume.state}, and only what is attached is purged`);
    if (!hasBegun && forMs < BEGIN_MS) return underWay("begins");
    const failed = all.find(({ error }) => error !== "");
    return failed === undefined
      ? done(`${name} is purged`)
      : inVain(`${failed.replica}: ${oneLine(failed.error)}`);
  });
}

export function deleted(name: string): Step {
  return (volume) => {
    if (volume === null) return done(`${name} is deleted`);
    return underWay(`${count(volume.replicas.length, "copy", "copies")} left`);
  };
}

/** Nothing is left on a node, or on one of its disks. */
export function emptied(node: string, disk: string | null): Step<Node> {
  const what = disk === null ? node : `disk ${disk} of ${node}`;
  return (found) => {
    if (found === null) return inVain(`node ${node} is gone`);
    const disks = Object.entries(found.disks ?? {}).filter(([name]) => disk === null || name === disk);
    const left = disks.flatMap(([, { scheduledReplica }]) => Object.keys(scheduledReplica));
    if (left.length === 0) return done(`no replica is left on ${what}`);
    const isWanted = found.evictionRequested || disks.some(([, { evictionRequested }]) => evictionRequested);
    if (!isWanted) return inVain(`${what} is not to be emptied any more`);
    const named = left.length > 3 ? `${left.slice(0, 3).join(", ")}, ...` : list(left);
    return underWay(`${count(left.length, "replica")} left: ${named}`);
  };
}

function lacksPlaces({ conditions }: Volume): boolean {
  return conditions["Scheduled"]?.status === "False";
}

function placesText({ conditions }: Volume): string {
  return `not all copies have a place: ${oneLine(conditions["Scheduled"]?.message ?? "")}`;
}
