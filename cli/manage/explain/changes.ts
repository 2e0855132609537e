/** What is being changed of a volume and is not done: its size, its origin, its snapshots, its end. */
import type { Volume } from "../../../rest-client/resources.js";
import { nodeOf, oneLine } from "../volume-text.js";
import { count, list, moment, size, timeOf } from "../words.js";
import { awayOf, command, named, nodeProblem, placesOf, type Facts, type Finding } from "./facts.js";

export function growth({ volume, now }: Facts): Finding[] {
  const [controller] = volume.controllers ?? [];
  if (controller === undefined || Number(controller.size) === 0) return [];
  const { lastExpansionError, lastExpansionFailedAt, isExpanding } = controller;
  if (Number(controller.size) >= Number(volume.size)) return [];
  const what = `It has ${size(controller.size)}, and is to have ${size(volume.size)}.`;
  if (isExpanding) return [{ what: `${what} It is growing now.`, evidence: [], next: [] }];
  if (lastExpansionError !== "")
    return [
      {
        what: `${what} It could not grow.`,
        evidence: [`${oneLine(lastExpansionError)}${lastExpansionFailedAt === "" ? "" : `, ${moment(lastExpansionFailedAt, now)}`}`], // prettier-ignore
        next: [
          "It is tried again by itself. The data are as they were.",
          `To stay with the size that it has: ${command("volume", "expand", volume.name, "--cancel")}`,
        ],
      },
    ];
  if (volume.robustness === "degraded" && volume.rebuildStatus.some(({ isRebuilding }) => isRebuilding))
    return [{ what: `${what} A rebuild is under way.`, evidence: [], next: [] }];
  return [{ what, evidence: [`it is ${volume.state}`], next: [] }];
}

export function copying(facts: Facts): Finding[] {
  const { volume, source, now } = facts;
  const { state, attemptCount, nextAllowedAttemptAt } = volume.cloneStatus;
  if (volume.dataSource === "" || state === "completed") return [];
  const what = `It is to be a copy of ${volume.dataSource}, and is not ready before that.`;
  const why = oneLine(volume.conditions["Clone"]?.message ?? "");
  const evidence = [
    ...(state === "" ? [] : [`the copying is ${state}`]),
    ...(attemptCount > 0 ? [`tried ${count(attemptCount, "time")}`] : []),
    ...(why !== "" ? [why] : []),
    ...(why === "" && (timeOf(nextAllowedAttemptAt) ?? 0) > now
      ? [`the next attempt is not before ${nextAllowedAttemptAt}`]
      : []),
    ...sourceText(facts),
  ];
  if (state === "failed")
    return [
      {
        what: `It could not be made a copy of ${volume.dataSource}. The source is as it was.`,
        evidence,
        next: [`There is nothing in it to be kept: ${command("volume", "delete", volume.name)}, then ${command("volume", "clone", source?.name ?? "SOURCE", volume.name)}`], // prettier-ignore
      },
    ];
  return [{ what, evidence, next: source === null ? ["Its source is gone: it cannot be completed."] : untilAttached(volume.name, source) }]; // prettier-ignore
}

function untilAttached(copy: string, source: Volume): string[] {
  if (source.state === "attached") return [];
  return [
    `It goes on by itself when its source is attached. What is in the way of that: ${command("explain", source.name)}`,
    `To give it up, which lets ${source.name} go (there is nothing in it to be kept): ${command("volume", "delete", copy)}`,
  ];
}

/** What becomes a copy of it holds it until it is one. */
export function copied({ volume, unfinishedCopies }: Facts): Finding[] {
  if (unfinishedCopies.length === 0 || volume.state === "attached" || volume.state === "deleting") return [];
  const isOne = unfinishedCopies.length === 1;
  return [
    {
      what: `The volume is to be copied into ${list(unfinishedCopies)}, and is attached for that as soon as it can be. Until ${isOne ? "that copy is" : "those copies are"} whole or given up, it is neither deleted nor salvaged by force.`,
      evidence: [],
      next: [
        `Only if it is not to be had as it is: ${giveUp(unfinishedCopies)} (there is nothing in ${isOne ? "it" : "them"} to be kept). Copy it anew when it can be attached.`,
      ],
    },
  ];
}

/** @param unfinishedCopies not empty */
export function giveUp(unfinishedCopies: readonly string[]): string {
  return list(unfinishedCopies.map((name) => command("volume", "delete", name)));
}

function sourceText({ source }: Facts): string[] {
  if (source === null) return ["its source is not there"];
  return [
    `its source is ${source.state}${nodeOf(source) === "" ? "" : ` on ${nodeOf(source)}`}, ${source.robustness}`,
  ];
}

export function snapshots({ volume }: Facts): Finding[] {
  const many = volume.conditions["TooManySnapshots"];
  const purges = (volume.purgeStatus ?? []).filter(({ error }) => error !== "");
  return [
    ...(many?.status === "True"
      ? [
          {
            what: `It has many snapshots: when there are ${volume.snapshotMaxCount}, no more can be taken.`,
            evidence: many.message === "" ? [] : [oneLine(many.message)],
            next: [`Remove those that nobody needs (${command("snapshot", "list", volume.name)}), then ${command("snapshot", "purge", volume.name)}`], // prettier-ignore
          },
        ]
      : []),
    ...(purges.length > 0
      ? [
          {
            what: "Room of removed snapshots could not be given back everywhere.",
            evidence: purges.map(({ replica, error }) => `${replica}: ${oneLine(error)}`),
            next: [`When the cause is gone: ${command("snapshot", "purge", volume.name)}`],
          },
        ]
      : []),
  ];
}

export function restoring({ volume }: Facts): Finding[] {
  if (!volume.restoreRequired) return [];
  return [
    { what: "It is being filled from a backup, and is not ready before that.", evidence: [], next: [] },
  ];
}

export function deletion(facts: Facts): Finding[] {
  const { volume } = facts;
  if (volume.state !== "deleting") return [];
  const node = nodeOf(volume);
  const engine = node === "" ? null : nodeProblem(facts, node);
  const away = volume.replicas.map((one) => awayOf(facts, one));
  const evidence = [
    ...(engine === null ? [] : [engine]),
    ...volume.replicas.flatMap((one, i) => (away[i] == null ? [] : [`${named(one)}: ${away[i].text}`])),
  ];
  if (evidence.length === 0) return [];
  const places = placesOf([engine === null ? null : { text: engine, place: node }, ...away]);
  return [
    {
      what: "It is gone when its engine has ended and its copies are removed, which is not possible everywhere now.",
      evidence,
      next: [`Bring back ${places}.`],
    },
  ];
}
