/** A volume whose copies have all failed. What may be lost by a step is said with it. */
import type { Replica } from "../volume-text.js";
import { duration, list, moment } from "../words.js";
import { giveUp } from "./changes.js";
import {
  ALL_READY,
  awayOf,
  command,
  failedAt,
  named,
  placesOf,
  setting,
  type Facts,
  type Finding,
} from "./facts.js";

/** ms between failures that count as one, as the manager has it. */
const SAME_FAILURE_MS = 60_000;

export function lost(facts: Facts): Finding[] {
  const { volume } = facts;
  if (volume.robustness !== "faulted") return [];
  if (volume.replicas.every(({ failedAt: text }) => text === "")) return [withoutCopies(facts)];
  const latestFirst = [...volume.replicas].sort((a, b) => failedAt(b) - failedAt(a));
  const failed = latestFirst.filter((one) => one.failedAt !== "");
  const what = `${failed.length === 1 ? "The only copy with data has" : `All ${failed.length} copies with data have`} failed, so none is counted on.`;
  return [{ what, evidence: latestFirst.map((one) => copyText(facts, one)), next: steps(facts, failed) }];
}

/** Which of them is the newest, an engine alone can tell. */
function failedLast(replicas: readonly Replica[]): Replica[] {
  const latest = Math.max(...replicas.map(failedAt));
  return replicas.filter((one) => one.failedAt !== "" && latest - failedAt(one) <= SAME_FAILURE_MS);
}

/** What it means to count on some replicas again, as a sentence or two.
 * @param names of those, which may be wrong */
export function salvageMeaning(replicas: readonly Replica[], names: readonly string[]): string {
  const left = failedLast(replicas).filter(({ name }) => !names.includes(name));
  if (left.length === 0)
    return "What these replicas have, which failed last, is counted as the volume's data.";
  const chosen = replicas.filter(({ name }) => names.includes(name));
  const times = chosen.map((one) => `${one.failedAt || "it was made"} (${one.name})`);
  return (
    `${list(left.map((one) => `${named(one)}, failed ${one.failedAt},`))} ${left.length === 1 ? "is" : "are"} not among them, and may be newer. ` +
    `What was written after ${list(times, "or")} may be lost, for good.`
  );
}

/** What it means that an engine starts from one replica, whatever the records of the copies say. */
export function forcedSalvageMeaning(names: readonly string[]): string {
  return (
    `The volume becomes what ${list(names)} has, although another copy may be newer: what was written without it is lost to the volume. ` +
    `What the other copies have is left in their directories, as orphans, once the volume serves again.`
  );
}

function withoutCopies({ volume: { name } }: Facts): Finding {
  return {
    what: "The volume has no copies at all.",
    evidence: [],
    next: [
      `Keep directories on the disks whose names begin with "${name}-": they may hold the data still, and nothing else does.`,
    ],
  };
}

function copyText(facts: Facts, replica: Replica): string {
  // One that had ever been whole would be counted on.
  const when = replica.failedAt === "" ? "was never whole" : `failed ${moment(replica.failedAt, facts.now)}`;
  return `${named(replica)} ${when}; ${awayOf(facts, replica)?.text ?? ALL_READY}`;
}

function steps(facts: Facts, latestFirst: readonly Replica[]): string[] {
  const { volume } = facts;
  const [latest] = latestFirst;
  if (latest === undefined) return [];
  const together = failedLast(latestFirst);
  const older = latestFirst.filter((one) => !together.includes(one));
  const away = together.filter((one) => awayOf(facts, one) !== null);
  const here = together.filter((one) => awayOf(facts, one) === null);
  const isAutomatic = setting(facts, "auto-salvage") === "true";
  if (away.length > 0)
    return [...bringBack(facts, together, away, isAutomatic), ...ifGone(facts, away, [...here, ...older])];
  const last = together.length === 1 ? `${named(latest)} failed last: if it was ever whole, no copy is newer.` : `${list(together.map(named))} failed last, within a minute of each other: no other copy is newer, and an engine finds out by their records which of them is.`; // prettier-ignore
  if (volume.state !== "detached") return [`Wait until it is detached: it is ${volume.state}. ${last}`];
  const salvage = command("volume", "salvage", volume.name, ...together.map(({ name }) => name));
  if (isAutomatic)
    return [`Wait a moment: it is tried again by itself with ${list(together.map(named))}. ${last}`, `If it stays like this: ${salvage}`]; // prettier-ignore
  return [
    `${last} Count on ${together.length === 1 ? "it" : "them"} again, and attach the volume: ${salvage}`,
  ];
}

function bringBack(
  facts: Facts,
  together: readonly Replica[],
  away: readonly Replica[],
  isAutomatic: boolean,
): string[] {
  const isOnly = together.length === 1;
  const whose = isOnly
    ? `Its copy failed last: if it was ever whole, it has all that was answered to users.`
    : `Which of the copies that failed last is the newest only their records say.`;
  const then = isAutomatic ? " The volume is then tried again by itself." : ` Then: ${command("volume", "salvage", facts.volume.name, ...together.map(({ name }) => name))}`; // prettier-ignore
  return [`Bring back ${placesOf(away.map((one) => awayOf(facts, one)))}. ${whose}${then}`];
}

/** What is left when the newest copy is gone for good. */
function ifGone(
  { volume, unfinishedCopies }: Facts,
  away: readonly Replica[],
  others: readonly Replica[],
): string[] {
  const [best] = [...others].sort((a, b) => failedAt(b) - failedAt(a));
  if (best === undefined) return [];
  const latest = Math.max(...away.map(failedAt));
  const ago = latest - failedAt(best);
  return [
    `Only if ${list(away.map(named))} ${away.length === 1 ? "is" : "are"} gone for good: ${command("volume", "salvage", volume.name, best.name)} ` +
      `tries ${named(best)}, which failed ${ago < 1_000 ? "at the same time" : `${duration(ago)} earlier`}. What was written ${ago < 1_000 ? "last" : "in between"} may be lost with that. ` +
      `An engine still refuses the copy if its records say that another one went on without it: ${[...(unfinishedCopies.length === 0 ? [] : [giveUp(unfinishedCopies)]), command("volume", "detach", volume.name)].join(", then ")}, and then the same command with --force, has it start from that copy alone.`,
  ];
}
