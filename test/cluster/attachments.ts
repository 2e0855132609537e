/** A volume is attached and detached again and again, now here, now there; nothing may be left of it anywhere. */
import { waitFor } from "../tools/process.js";
import type { Cluster } from "./cluster.js";
import { STEP_MS } from "./limits.js";

const SIZE = 64 << 20;

export interface Attachments {
  /** ms, from the wish to an endpoint: in the middle, of 99 of 100, at most */
  median: number;
  p99: number;
  longest: number;
  /** processes per node at the end: the agent alone */
  processes: number[];
}

/** @throws one did not come or go */
export async function attachAgainAndAgain(
  cluster: Cluster,
  count: number,
  say: (line: string) => void,
): Promise<Attachments> {
  const { client, nodes } = cluster;
  const name = "restless";
  await client.create("volumes", { name, size: String(SIZE), frontend: "iscsi" });
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    const hostId = nodes[i % nodes.length]?.name ?? "";
    const began = performance.now();
    await client.act("volumes", name, "attach", { hostId, attachmentID: "restless" });
    await untilVolume(cluster, name, "attached");
    times.push(performance.now() - began);
    await client.act("volumes", name, "detach", { attachmentID: "restless" });
    await untilVolume(cluster, name, "detached");
    if ((i + 1) % 50 === 0) say(`${i + 1} of ${count}`);
  }
  await client.delete("volumes", name);
  await waitFor("the volume to be gone", STEP_MS, async () =>
    (await client.list("volumes")).length === 0 ? true : undefined,
  );
  // A replica host without replicas ends by itself.
  const processes = await waitFor("nothing but agents to run", STEP_MS, async () => {
    const counts = await Promise.all(nodes.map(async (node) => (await cluster.pids(node)).length));
    return counts.every((one) => one === 1) ? counts : undefined;
  });
  times.sort((a, b) => a - b);
  const at = (share: number) => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0;
  return { median: at(0.5), p99: at(0.99), longest: times.at(-1) ?? 0, processes };
}

async function untilVolume({ client }: Cluster, name: string, state: string): Promise<void> {
  await waitFor(`volume ${name} to be ${state}`, STEP_MS, async () => {
    const volume = await client.get("volumes", name);
    const [engine] = volume?.controllers ?? [];
    const isThere = state === "detached" || (engine?.running === true && engine.endpoint !== "");
    return volume?.state === state && isThere ? true : undefined;
  });
}
