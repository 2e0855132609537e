/** Where a volume is wanted, where it is, and what lies between. */
import type { Volume } from "../../../rest-client/resources.js";
import { nodeOf, oneLine, ticketName } from "../volume-text.js";
import { list, moment } from "../words.js";
import { giveUp } from "./changes.js";
import { awayOf, command, named, nodeProblem, placesOf, type Facts, type Finding } from "./facts.js";

type Ticket = Volume["volumeAttachment"]["attachments"][string];

export function attachment(facts: Facts): Finding[] {
  const { volume } = facts;
  if (volume.state === "deleting") return [];
  const waiting = Object.values(volume.volumeAttachment.attachments).filter(({ satisfied }) => !satisfied);
  return [...unreachable(facts), ...waiting.flatMap((one) => notSatisfied(facts, one))];
}

/** Attached to a node of which nothing is heard. */
function unreachable(facts: Facts): Finding[] {
  const { volume } = facts;
  const node = nodeOf(volume);
  const problem = node === "" || volume.state !== "attached" ? null : nodeProblem(facts, node);
  if (problem === null) return [];
  return [
    {
      what: `The volume is attached to ${node}, of which nothing is heard: whether it is used there now is not known.`,
      evidence: [problem],
      next: [
        `Bring ${node} back: the volume goes on there.`,
        `To use it elsewhere, first make sure that what used it on ${node} has ended: what is not flushed there is lost to it. Then ${command("volume", "detach", volume.name, "--force")} and ${command("volume", "attach", volume.name, "NODE")}. Copies that another engine has taken take nothing more from the old one.`,
      ],
    },
  ];
}

function notSatisfied(facts: Facts, ticket: Ticket): Finding[] {
  const { volume } = facts;
  const what = `It is wanted on ${ticket.nodeID} by ${ticketName(ticket)}, which does not have it yet.`;
  const wrong = ticket.conditions.find(({ status, message }) => status === "False" && message !== "");
  if (wrong !== undefined) {
    const next = `It has to be detached before it can be had in another way: ${detach(volume, others(volume, ticket))}`;
    return [{ what, evidence: [wrong.message], next: [next] }];
  }
  const problem = nodeProblem(facts, ticket.nodeID);
  if (problem !== null)
    return [{ what, evidence: [problem], next: [`Bring ${ticket.nodeID} back, or ask for another node.`] }];
  // That is told of already.
  if (volume.robustness === "faulted") return [];
  const where = nodeOf(volume);
  if (where === "" || where === ticket.nodeID) return [{ what, ...onItsWay(facts) }];
  const there = others(volume, ticket).filter(({ nodeID }) => nodeID === where);
  const users = there.length === 0 ? "" : `, for ${list(there.map(ticketName))}`;
  return [
    {
      what,
      evidence: [`it is ${volume.state} ${volume.state === "attached" ? "to" : "on"} ${where}${users}`],
      next: there.length === 0 ? [] : [`When its use on ${where} has ended: ${detach(volume, there)}`],
    },
  ];
}

function others(volume: Volume, ticket: Ticket): Ticket[] {
  return Object.values(volume.volumeAttachment.attachments).filter(
    (one) => one.attachmentID !== ticket.attachmentID,
  );
}

function detach({ name }: Volume, tickets: readonly Ticket[]): string {
  const [ticket] = tickets;
  const id = ticket === undefined || ticket.attachmentID === "" ? [] : ["--id", ticket.attachmentID];
  return command("volume", "detach", name, ...id);
}

/** Nothing is in the way of the node: so it is the copies, or time. */
function onItsWay(facts: Facts): Pick<Finding, "evidence" | "next"> {
  const { volume } = facts;
  const usable = volume.replicas.filter(({ failedAt }) => failedAt === "");
  const away = usable.map((one) => awayOf(facts, one));
  if (usable.length > 0 && away.every((one) => one !== null))
    return {
      evidence: ["none of its copies can be reached", ...new Set(away.map(({ text }) => text))],
      next: [`Bring back ${placesOf(away)}.`],
    };
  const stopped = usable.filter((one, i) => away[i] === null && !one.running);
  if (volume.state !== "attaching") return { evidence: [`it is ${volume.state}`], next: [] };
  if (stopped.length > 0) return { evidence: [`not running yet: ${list(stopped.map(named))}`], next: [] };
  return restarts(facts) ?? { evidence: ["its copies run; its engine decides which of them are current, and begins to serve"], next: [] }; // prettier-ignore
}

/** Starts of an engine from which on it is not by chance. */
const STARTS_MANY = 3;

/** An engine that cannot be started, or ends again and again. */
function restarts(facts: Facts): Pick<Finding, "evidence" | "next"> | null {
  const { volume, events, now } = facts;
  const of = (reason: string) => events.findLast(({ event }) => event.involvedObject.kind === "Engine" && event.reason === reason)?.event; // prettier-ignore
  const [started, stopped, failed] = [of("Start"), of("Stop"), of("FailedStarting")];
  const attached = events.findLast(({ event }) => event.reason === "Attached")?.event.lastTimestamp ?? "";
  if (failed !== undefined && failed.lastTimestamp > attached) {
    const { name } = failed.involvedObject;
    const fix = failed.message.includes("iscsiadm is not installed") ? ["Install open-iscsi on the node: the frontend blockdev needs it."] : []; // prettier-ignore
    return {
      evidence: [`${oneLine(failed.message)}, ${moment(failed.lastTimestamp, now)}`],
      next: [...fix, `It is tried again by itself. More is in the log of ${name}, where the agent of its node keeps logs (${name}.log).`, ...(fix.length === 0 && volume.replicas.length > 1 ? fromOne(facts) : [])], // prettier-ignore
    };
  }
  if (started === undefined || stopped === undefined || stopped.count < STARTS_MANY) return null;
  const { name } = started.involvedObject;
  return {
    evidence: [`its engine ${name} was started ${started.count} times, and stopped ${stopped.count} times`],
    next: [
      `Read why in the log of ${name}, where the agent of its node keeps logs (${name}.log).`,
      ...(volume.frontend === "blockdev" ? ["See that open-iscsi is installed on the node: the frontend blockdev needs it."] : []), // prettier-ignore
    ],
  };
}

/** When what its engine waits for does not come back. */
function fromOne({ volume: { name, state }, unfinishedCopies }: Facts): string[] {
  const detached = state === "detached" ? [] : [command("volume", "detach", name)];
  // What becomes a copy of it would have it attached again.
  const steps = [...(unfinishedCopies.length === 0 ? [] : [giveUp(unfinishedCopies)]), ...detached];
  const detach = steps.map((step) => `${step}, and then `).join("");
  return [`Only if copies that its engine waits for are gone for good: ${detach}${command("volume", "salvage", name, "REPLICA", "--force")} has it start from that one alone when it is attached. What was written without it may be lost with that.`]; // prettier-ignore
}

/** Nothing is in its way, and nobody uses it. */
export function unwanted(facts: Facts): Finding[] {
  const { volume, events, now } = facts;
  const isWanted = Object.keys(volume.volumeAttachment.attachments).length > 0;
  if (isWanted || volume.state !== "detached") return [];
  const last = events.findLast(
    ({ event }) => event.reason === "Detached" || event.reason === "DetachedUnexpectedly",
  );
  return [
    {
      what: "Nobody has asked for the volume, so it is attached nowhere.",
      evidence: last === undefined ? [] : [`${last.event.message}, ${moment(last.event.lastTimestamp, now)}`],
      next: [
        `To use it: ${command("volume", "attach", volume.name, "NODE")}`,
        ...("salvage" in volume.actions ? fromOne(facts) : []),
      ],
    },
  ];
}
