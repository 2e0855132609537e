/** An expansion in whose middle everything ended: some copies have grown, others have not. It is finished at the next start. */
import type { ReplicaFacts } from "../../proto/control.js";
import type { Replica } from "../../proto/longhorn.js";
import { chooseMembers, type Answer } from "../membership.js";
import { EXPAND_CALL_TIMEOUT_MS } from "./limits.js";
import type { Opened } from "./replica-entry.js";

/** Grows what is smaller. I/O was held while copies grew, so that they hold the same, and the snapshots of the expansion do as well;
 * of one that is stale it would differ: then nothing is done, and whoever has another size is left out.
 * @param opened by this engine, so that no other one uses them
 * @param size the volume's nominal one, bytes
 * @returns the same, as they are now
 * @throws {Error} one could not grow, and is as it was */
export async function finishExpansion(opened: Opened[], size: number): Promise<Opened[]> {
  const smaller = opened.filter(({ replica }) => Number(replica.size) < size);
  const grown = opened.some(({ replica }) => Number(replica.size) === size);
  if (!grown || smaller.length === 0 || !(await areCopiesOfOneGeneration(opened))) return opened;
  return Promise.all(
    opened.map(async ({ entry, replica }) => {
      if (Number(replica.size) >= size) return { entry, replica };
      await entry.call(
        `failed to expand replica ${entry.peer} from remote`,
        (calls, options) => calls.replicaExpand({ size }, options),
        EXPAND_CALL_TIMEOUT_MS,
      );
      return { entry, replica: await entry.get() };
    }),
  );
}

/** Those that the volume would be started from if all were alike: what a stale one has grown to, or has not, tells nothing. Where
 * that cannot be told, those that the newest record names as members; all, where there is none, or they are alike.
 * @param trait in which they may differ */
export async function currentCopies(
  opened: Opened[],
  trait: (replica: Replica) => unknown,
): Promise<Opened[]> {
  const traits = new Set(opened.map(({ replica }) => trait(replica)));
  if (traits.size === 1 || opened.some(({ entry }) => entry.longhorn !== null)) return opened;
  const facts = await Promise.all(opened.map((one) => factsOf(one).catch(() => undefined)));
  const answers = opened.map(({ entry }, index): Answer => {
    const said = facts[index];
    const address = entry.peer;
    return said === undefined
      ? { address, unreachable: "it did not answer" }
      : { address, facts: { ...said, size: 0 } };
  });
  const volume = facts.find((one) => one !== undefined)?.volume ?? "";
  const choice = chooseMembers(answers, { volume, size: 0, salvage: null, acceptLostWrites: true });
  if (choice.type === "start")
    return opened.filter(({ entry }) => choice.members.some(({ address }) => address === entry.peer));
  const generation = Math.max(0, ...facts.map((one) => one?.record?.generation ?? 0));
  const newest = opened.filter((_, index) => isMemberUnder(generation, facts[index]));
  return newest.length === 0 ? opened : newest;
}

async function areCopiesOfOneGeneration(opened: Opened[]): Promise<boolean> {
  if (opened.some(({ entry }) => entry.longhorn !== null)) return false;
  const facts = await Promise.all(opened.map(factsOf));
  const generation = facts[0]?.record?.generation ?? 0;
  return facts.every((one) => isMemberUnder(generation, one) && one.unfit === "");
}

function isMemberUnder(generation: number, facts: ReplicaFacts | undefined): boolean {
  const record = facts?.record ?? null;
  if (facts === undefined || record === null || generation === 0) return false;
  return record.generation === generation && record.members.includes(facts.replicaId);
}

async function factsOf({ entry }: Opened): Promise<ReplicaFacts> {
  const link = entry.link();
  try {
    return await link.identify();
  } finally {
    link.close();
  }
}

/** No engine of ours has ever recorded itself there, and nothing was written. */
export async function isUnused(opened: Opened): Promise<boolean> {
  const { record, allocated } = await factsOf(opened);
  return record === null && allocated === 0;
}
