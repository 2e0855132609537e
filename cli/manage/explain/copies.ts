/** Copies of an attached volume that are not current, and what is done about each. */
import { nodeOf, oneLine, type Replica } from "../volume-text.js";
import { count, list, moment } from "../words.js";
import {
  ALL_READY,
  awayOf,
  command,
  named,
  nodeProblem,
  placesOf,
  setting,
  type Away,
  type Facts,
  type Finding,
} from "./facts.js";

export function copies(facts: Facts): Finding[] {
  const { volume } = facts;
  if (volume.state === "detached" && volume.robustness !== "faulted")
    return volume.replicas.flatMap((one) => atRest(facts, one));
  if (volume.state !== "attached") return [];
  return [
    ...noneCurrent(facts),
    ...volume.replicas.flatMap((one) =>
      one.mode === "RW" ? outOfReach(facts, one) : [notCurrent(facts, one)],
    ),
    ...tooFew(facts),
    ...tooMany(facts),
  ];
}

/** Of a volume that nobody uses. */
function atRest(facts: Facts, replica: Replica): Finding[] {
  const away = awayOf(facts, replica);
  const evidence = [
    ...(replica.failedAt === "" ? [] : [`it failed ${moment(replica.failedAt, facts.now)}`]),
    ...(away === null ? [] : [away.text]),
  ];
  if (evidence.length === 0) return [];
  const next = away === null ? [] : [`Bring back ${away.place}.`];
  if (replica.failedAt === "") return [{ what: `${named(replica)} cannot be used now.`, evidence, next }];
  const what = `${named(replica)} has failed. Copies are made equal again while the volume is attached.`;
  return [{ what, evidence, next }];
}

/** Nobody may have written since, so that the engine has not missed it. */
function outOfReach(facts: Facts, replica: Replica): Finding[] {
  const away = awayOf(facts, replica);
  if (away === null || away.place === nodeOf(facts.volume)) return [];
  return [
    {
      what: `${named(replica)} is current for the engine, while the manager hears nothing of it.`,
      evidence: [away.text],
      next: [`Bring back ${away.place}.`],
    },
  ];
}

function noneCurrent(facts: Facts): Finding[] {
  const { volume } = facts;
  // What an engine beyond reach says is old.
  if (volume.replicas.some(({ mode }) => mode === "RW") || nodeProblem(facts, nodeOf(volume)) !== null)
    return [];
  const places = placesOf(volume.replicas.map((one) => awayOf(facts, one)));
  return [
    {
      what: "The engine reaches no current copy. What users read and write waits, and nothing is lost by waiting.",
      evidence: volume.replicas.map((one) => `${named(one)}: ${awayOf(facts, one)?.text ?? ALL_READY}`), // prettier-ignore
      next: [
        ...(places === "" ? [] : [`Bring back ${places}.`]),
        "Leave the volume attached meanwhile: the engine goes on when its last copy is back.",
      ],
    },
  ];
}

function notCurrent(facts: Facts, replica: Replica): Finding {
  const { volume, now } = facts;
  const rebuild = volume.rebuildStatus.find((one) => one.replica === replica.name);
  if (rebuild?.isRebuilding === true || replica.mode === "WO")
    return {
      what: `${named(replica)} is being made equal${rebuild === undefined ? "" : `: ${rebuild.progress} %, from ${rebuild.fromReplica}`}.`,
      evidence: [],
      next: [`Wait: ${command("volume", "wait", volume.name)} shows how it goes.`],
    };
  const away = awayOf(facts, replica);
  const error =
    rebuild === undefined || rebuild.error === "" ? [] : [`its last rebuild: ${oneLine(rebuild.error)}`];
  if (replica.failedAt === "" && replica.mode !== "ERR")
    return {
      what: `${named(replica)} is ${replica.running ? "running, and not part of the volume yet" : "not running yet"}.`,
      evidence: [...(away === null ? [] : [away.text]), ...error],
      next: away === null ? [] : [`Bring back ${away.place}.`],
    };
  if (volume.replicas.filter(({ mode }) => mode === "RW").length >= volume.numberOfReplicas)
    return notNeeded(facts, replica);
  const when = replica.failedAt === "" ? [] : [`it failed ${moment(replica.failedAt, now)}`];
  return {
    what: `${named(replica)} has failed${volume.replicas.some(({ mode }) => mode === "RW") ? ", and the volume goes on without it" : ""}.`,
    evidence: [...when, away?.text ?? ALL_READY, ...error],
    next: away === null ? returning(facts) : awaited(facts, away),
  };
}

const STALE_MINUTES_DEFAULT = 2880;

/** Others have taken its place. */
function notNeeded({ volume, now }: Facts, { name, hostId, failedAt }: Replica): Finding {
  const minutes = volume.staleReplicaTimeout > 0 ? volume.staleReplicaTimeout : STALE_MINUTES_DEFAULT;
  return {
    what: `${name} on ${hostId} has failed, and is not needed: the volume has its ${count(volume.numberOfReplicas, "copy", "copies")} without it.`,
    evidence: failedAt === "" ? [] : [`it failed ${moment(failedAt, now)}`],
    next: [
      `Nothing has to be done: it is removed by itself ${minutes} minutes after it failed. If its room is needed before: ${command("replica", "remove", volume.name, name)}`,
    ],
  };
}

function areRebuildsOff(facts: Facts): boolean {
  return setting(facts, "concurrent-replica-rebuild-per-node-limit") === "0";
}

const REBUILDS_OFF = `Rebuilds are switched off: ${command("setting", "reset", "concurrent-replica-rebuild-per-node-limit")}`;

function returning(facts: Facts): string[] {
  if (areRebuildsOff(facts)) return [REBUILDS_OFF];
  return ["The manager tries it again by itself, and makes another copy if it does not come back."];
}

function awaited(facts: Facts, { place }: Away): string[] {
  const seconds = setting(facts, "replica-replenishment-wait-interval");
  const off = areRebuildsOff(facts) ? [REBUILDS_OFF] : [];
  return [
    `Bring back ${place}. The copy then gets what it has missed, which is less than a whole one.`,
    ...(off.length > 0 ? off : [`Otherwise another copy is made elsewhere, ${seconds} s after the volume became degraded, if there is a place.`]), // prettier-ignore
  ];
}

/** Fewer than wanted, and none in the making. */
function tooFew(facts: Facts): Finding[] {
  const { volume } = facts;
  const lacking = volume.numberOfReplicas - volume.replicas.length;
  const isTold = volume.conditions["Scheduled"]?.status === "False";
  if (lacking <= 0 || isTold || volume.replicas.some(({ mode }) => mode === "WO")) return [];
  const isGrowing = volume.controllers?.some(({ isExpanding }) => isExpanding) === true;
  const next = areRebuildsOff(facts) ? [REBUILDS_OFF] : [];
  const why = isGrowing
    ? " It is growing, and copies are made after that."
    : next.length === 0
      ? " The manager makes the next by itself."
      : "";
  return [{ what: `${count(lacking, "copy is", "copies are")} missing.${why}`, evidence: [], next }];
}

function tooMany({ volume }: Facts): Finding[] {
  const current = volume.replicas.filter(({ mode }) => mode === "RW");
  const surplus = current.length - volume.numberOfReplicas;
  if (surplus <= 0) return [];
  return [
    {
      what: `There ${surplus === 1 ? "is one copy" : `are ${surplus} copies`} more than wanted (${list(current.map(named))}): the manager removes what is too many by itself.`,
      evidence: [],
      next: [],
    },
  ];
}
