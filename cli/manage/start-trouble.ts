/** Why an engine or a copy does not start, while that is waited for: its events tell, and the volume does not. */
import { setTimeout as sleep } from "node:timers/promises";
import type { RestClient } from "../../rest-client/client.js";
import type { EventResource } from "../../rest-client/resources.js";
import { concerns, latestLast } from "./event-commands.js";
import { oneLine } from "./volume-text.js";

const LOOK_MS = 1_000;

/** @returns the last one, also of an earlier start; null when there is none */
export async function lastFailedStart(client: RestClient, volume: string): Promise<EventResource | null> {
  const events = await client.list("events");
  const failed = events.filter(({ event }) => event.reason === "FailedStarting" && concerns(event, volume));
  return latestLast(failed).at(-1) ?? null;
}

/** @param before of earlier starts, which is not told
 * @param work what waits; it is given what has gone wrong since, "" if nothing has */
export async function withStartTrouble(
  client: RestClient,
  volume: string,
  before: EventResource | null,
  work: (trouble: () => string) => Promise<void>,
): Promise<void> {
  const stop = new AbortController();
  let trouble = "";
  const look = async () => {
    while (!stop.signal.aborted) {
      // That the manager is away, who waits learns otherwise.
      const last = await lastFailedStart(client, volume).catch(() => null);
      if (last !== null && (last.id !== before?.id || last.event.count !== before.event.count))
        trouble = oneLine(last.event.message);
      await sleep(LOOK_MS, undefined, { signal: stop.signal }).catch(() => undefined);
    }
  };
  const looking = look();
  try {
    await work(() => trouble);
  } finally {
    stop.abort();
    await looking;
  }
}
