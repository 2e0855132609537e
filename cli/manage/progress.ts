/** How far something is that takes long, told from the volume. Pure: one function per thing that is waited for. */
import type { Volume } from "../../rest-client/resources.js";
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

export const done = (text: string): Progress => ({ is: "done", text });
export const inVain = (why: string): Progress => ({ is: "in vain", why });
export const underWay = (text: string, percent: number | null = null): Progress => ({
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
    if (volume.state === "detached" && volume.dataLocality === "strict-local" && volume.replicas.length === 0)
      return done(`${name} is made; its copy is made where it is first attached`);
    return volume.state === "creating" || volume.replicas.length === 0
      ? underWay("places for its copies are looked for")
      : done(`${name} is made, with ${count(volume.replicas.length, "copy", "copies")} on ${list(volume.replicas.map(({ hostId }) => hostId))}`); // prettier-ignore
  });
}

/** @param id of the ticket
 * @param trouble why its engine, or a copy, did not start; "" */
export function attached(name: string, id: string, node: string, trouble = () => ""): Step {
  return ofVolume(name, (volume) => {
    const ticket = volume.volumeAttachment.attachments[id];
    if (ticket?.nodeID !== node) return inVain(`${node} is not asked for any more`);
    const device = volume.controllers?.find(({ hostId }) => hostId === node)?.endpoint ?? "";
    if (ticket.satisfied) return done(`${name} is attached to ${node}${device === "" ? "" : `: ${device}`}`);
    const wrong = ticket.conditions.find(({ status, message }) => status === "False" && message !== "");
    if (wrong !== undefined) {
      const others = Object.values(volume.volumeAttachment.attachments).filter(
        (one) => one.attachmentID !== id && one.nodeID === node && WORKLOADS.has(one.attachmentType),
      );
      // Where nobody else holds it as it is, it is detached, and then attached as it is wanted now.
      return others.length > 0
        ? inVain(`${wrong.message}, for ${list(others.map(ticketName))}`)
        : underWay(wrong.message);
    }
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
    const copies = `${running} of ${count(volume.replicas.length, "copy", "copies")} running`;
    return underWay([`${volume.state}, ${copies}`, trouble()].filter((part) => part !== "").join("; "));
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

/** As many current copies as are wanted; of a volume that nobody uses, as many that have not failed.
 * @param isRebuiltOffline the setting's word, for volumes that have none of their own */
export function healthy(name: string, isRebuiltOffline: boolean): Step {
  return ofVolume(name, (volume) => {
    const { state, robustness } = volume;
    const copies = copiesText(volume);
    if (state === "attached" && robustness === "healthy") return done(`${name} is healthy: ${copies}`);
    if (isAtRest(volume) && currentCopies(volume).length >= volume.numberOfReplicas)
      return done(`${name} is detached: ${copies} have not failed`);
    if (isAtRest(volume) && !isRebuilt(volume, isRebuiltOffline))
      return inVain(`${name} is detached with ${copies}: others are made while it is attached`);
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

/** A copy that was given up is gone, and another one has taken its place where that is possible now. */
export function removed(name: string, replica: string, isRebuiltOffline: boolean): Step {
  const replaced = healthy(name, isRebuiltOffline);
  return ofVolume(name, (volume, forMs) => {
    if (!isAtRest(volume)) return replaced(volume, forMs);
    if (volume.replicas.some((one) => one.name === replica)) return underWay(`${replica} is being removed`);
    if (isRebuilt(volume, isRebuiltOffline)) return replaced(volume, forMs);
    return done(`${replica} is removed: ${name} is detached with ${copiesText(volume)}`);
  });
}

/** Detached, and nobody wants it otherwise. */
function isAtRest({ state, volumeAttachment }: Volume): boolean {
  return state === "detached" && Object.keys(volumeAttachment.attachments).length === 0;
}

/** Copies of it are made also while nobody uses it. */
function isRebuilt({ offlineRebuilding }: Volume, bySetting: boolean): boolean {
  return offlineRebuilding === "enabled" || (offlineRebuilding !== "disabled" && bySetting);
}

function copiesText(volume: Volume): string {
  return `${currentCopies(volume).length} of ${count(volume.numberOfReplicas, "copy", "copies")}`;
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
    // An engine that has never run has no size: it starts with the volume's.
    const isNew = volume.state === "detached" && controllers.every(({ size: has }) => Number(has) === 0);
    const isDone = controllers.some(({ size: has, isExpanding }) => Number(has) >= wanted && !isExpanding);
    if (isNew || isDone) return done(`${name} has ${size(wanted)}`);
    return underWay(`${volume.state}, growing to ${size(wanted)}`);
  });
}

export function cloned(name: string): Step {
  return ofVolume(name, (volume) => {
    const { state, sourceVolume, attemptCount } = volume.cloneStatus;
    if (state === "completed") return done(`${name} is a copy of ${sourceVolume || volume.dataSource}`);
    const why = oneLine(volume.conditions["Clone"]?.message ?? "");
    const because = why === "" ? "" : `: ${why}`;
    if (state === "failed") {
      const attempts = attemptCount === 0 ? "" : ` after ${count(attemptCount, "attempt")}`;
      return inVain(`copying ${volume.dataSource} failed${attempts}${because}`);
    }
    if (lacksPlaces(volume)) return underWay(placesText(volume));
    const attempt = attemptCount > 1 ? `, attempt ${attemptCount}` : "";
    return underWay(`${state === "" ? "waits for its source" : state}${attempt}${because}`);
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

export function lacksPlaces({ conditions }: Volume): boolean {
  return conditions["Scheduled"]?.status === "False";
}

export function placesText({ conditions }: Volume): string {
  return `not all copies have a place: ${oneLine(conditions["Scheduled"]?.message ?? "")}`;
}
