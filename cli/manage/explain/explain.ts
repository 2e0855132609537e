/** Why a volume is as it is, with the evidence and the next safe step. Pure: resources of the API in, paragraphs out. */
import { currentCopies, nodeOf, oneLine } from "../volume-text.js";
import { count, moment } from "../words.js";
import { attachment, unwanted } from "./attachment.js";
import { copied, copying, deletion, growth, restoring, snapshots } from "./changes.js";
import { copies } from "./copies.js";
import { nodeProblem, type Facts, type Finding, type Rule } from "./facts.js";
import { unknownJobs } from "./jobs.js";
import { lost } from "./lost.js";
import { leaving, unplaced } from "./places.js";
import { unwitnessed } from "./witness.js";

export interface Explanation {
  /** how it is, in a sentence or two */
  summary: string;
  /** the gravest first */
  findings: Finding[];
  /** events that may have to do with it, the latest last */
  warnings: string[];
}

/** What keeps data from users comes first. */
const RULES: readonly Rule[] = [
  lost,
  deletion,
  attachment,
  copied,
  copies,
  unplaced,
  copying,
  restoring,
  growth,
  leaving,
  unwitnessed,
  snapshots,
  unknownJobs,
];

const WARNINGS_MAX = 5;

export function explain(facts: Facts): Explanation {
  const problems = RULES.flatMap((rule) => rule(facts));
  const findings = problems.length === 0 ? unwanted(facts) : problems;
  const warnings = facts.events.filter(({ event }) => event.type === "Warning").slice(-WARNINGS_MAX);
  return {
    summary: summary(facts, findings.length === 0),
    findings,
    warnings: warnings.map(
      ({ event }) => `${moment(event.lastTimestamp, facts.now)}  ${event.reason}: ${oneLine(event.message)}`,
    ),
  };
}

const STATES: Readonly<Record<string, string>> = {
  creating: "being created",
  attaching: "being attached",
  detaching: "being detached",
};

function summary(facts: Facts, isAllWell: boolean): string {
  const { volume } = facts;
  const { name, state, robustness, numberOfReplicas } = volume;
  const current = currentCopies(volume).length;
  const copiesText = `${current} of ${count(numberOfReplicas, "copy", "copies")}`;
  const isMoving = state !== "attached" && state !== "detached";
  const well = isAllWell ? (isMoving ? " Nothing is in the way of that." : " Nothing is wrong.") : "";
  if (state === "deleting") return `Volume ${name} is being deleted.${well}`;
  if (robustness === "faulted")
    return `Volume ${name} is faulted: it cannot be used, since no copy is counted on.`;
  if (state !== "attached") return `Volume ${name} is ${STATES[state] ?? state}.${well}`;
  const node = nodeOf(volume);
  if (nodeProblem(facts, node) !== null)
    return `Volume ${name} is attached to ${node}; how it is there is not known.`;
  if (current === 0) return `Volume ${name} is attached to ${node} and waits: ${copiesText} current.`;
  switch (robustness) {
    case "healthy":
      return `Volume ${name} is attached to ${node} and healthy: ${copiesText} current.${well}`;
    case "degraded":
      return `Volume ${name} is attached to ${node} and degraded: its users can go on, with ${copiesText} current.`;
    default:
      return `Volume ${name} is attached to ${node}; its health is ${robustness}, ${copiesText} current.${well}`;
  }
}
