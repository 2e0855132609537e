/** Longhorn's revision counters of copies that are equal: whoever starts next takes the highest for the newest. */
import type { Logger } from "pino";
import type { Replica } from "../../proto/longhorn.js";
import { connectReplica } from "../client/connections.js";
import { speaksLonghorn } from "../plain-file/file-link.js";
import type { ReplicaLink } from "../replica-link.js";

/** Brings them to the highest, where a replica of Longhorn's is among them. To be called while nothing is written: one
 * operation may be several messages for one replica and a single one for another. One that cannot be brought there is
 * behind for the next start, which is safe. */
export async function alignRevisions(
  links: readonly ReplicaLink[],
  volumeName: string,
  log: Logger,
): Promise<void> {
  if (!links.some(speaksLonghorn)) return;
  const align = links.map((link) => connectReplica(link.address, { volumeName }));
  try {
    const replicas = await Promise.all(
      align.map((connection) =>
        connection.call("failed to get its counter", (calls, options) => calls.replicaGet({}, options)),
      ),
    );
    const counters = replicas.map(({ replica }) => counterOf(replica));
    const counter = Math.max(...counters);
    await Promise.all(
      align.map(async (connection, index) => {
        if (counters[index] === counter || replicas[index]?.replica?.revisionCounterDisabled === true) return;
        await connection.call(`failed to set the counter to ${counter}`, (calls, options) =>
          calls.revisionCounterSet({ counter }, options),
        );
      }),
    );
  } catch (err) {
    log.warn({ err }, "revision counters could not be brought together");
  } finally {
    for (const connection of align) connection.close();
  }
}

function counterOf(replica: Replica | null): number {
  return replica === null || replica.revisionCounterDisabled ? 0 : replica.revisionCounter;
}
