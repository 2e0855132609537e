/** What happens to processes while their machines stay up: initiators wait, and must not notice more than that. */
import { sleep } from "../tools/process.js";
import type { Nodes, Random } from "./nodes.js";

const AWAY_MS_MAX = 1_500;
const STOPPED_MS_MAX = 3_000;
/** Longer than an engine waits for a silent replica. */
const REPLICA_STOPPED_MS_MAX = 12_000;

type Disturbance = (nodes: Nodes, random: Random) => Promise<void>;

const DISTURBANCES: Disturbance[] = [
  async function replicaKilled(nodes, random) {
    const index = random(2);
    await nodes.killReplica(index);
    await sleep(random(AWAY_MS_MAX));
    nodes.startReplica(index);
  },
  async function engineKilled(nodes, random) {
    await nodes.killEngine();
    await sleep(random(AWAY_MS_MAX));
    await nodes.startEngine();
  },
  async function allKilled(nodes, random) {
    await Promise.all([nodes.killEngine(), nodes.killReplica(0), nodes.killReplica(1)]);
    await sleep(random(AWAY_MS_MAX));
    for (const index of [0, 1]) nodes.startReplica(index);
    await nodes.startEngine();
  },
  async function replicaStopped(nodes, random) {
    const index = random(2);
    nodes.signal(index, "SIGSTOP");
    await sleep(random(REPLICA_STOPPED_MS_MAX));
    nodes.signal(index, "SIGCONT");
  },
  async function engineStopped(nodes, random) {
    nodes.signal("engine", "SIGSTOP");
    await sleep(random(STOPPED_MS_MAX));
    nodes.signal("engine", "SIGCONT");
  },
];

export async function disturb(nodes: Nodes, random: Random): Promise<void> {
  await DISTURBANCES[random(DISTURBANCES.length)]?.(nodes, random);
}
