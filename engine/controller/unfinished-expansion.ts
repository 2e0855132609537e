/** An expansion in whose middle everything ended: some copies have grown, others have not. It is finished at the next start. */
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

async function areCopiesOfOneGeneration(opened: Opened[]): Promise<boolean> {
  if (opened.some(({ entry }) => entry.longhorn !== null)) return false;
  const facts = await Promise.all(
    opened.map(async ({ entry }) => {
      const link = entry.link();
      try {
        return await link.identify();
      } finally {
        link.close();
      }
    }),
  );
  const generation = facts[0]?.record?.generation ?? 0;
  return (
    generation > 0 &&
    facts.every(({ record, replicaId, unfit }) => {
      if (record?.generation !== generation || unfit !== "") return false;
      return record.members.includes(replicaId);
    })
  );
}
