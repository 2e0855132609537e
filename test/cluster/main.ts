/** `test/cluster/run`: what the cluster tests do, as long as it takes. */
import { readArguments } from "../tools/command-line.js";
import { attachAgainAndAgain } from "./attachments.js";
import { Cluster } from "./cluster.js";
import { Drill, type Step } from "./drill.js";
import { costOfIdling, costOfManager, type NodeCost } from "./idle.js";
import { startKills } from "./kills.js";
import { FULL_VOLUMES, IDLE_BYTES_MAX, IDLE_CPU_MAX, IDLE_ENGINES, IDLE_GIB, NODES } from "./limits.js";

const IDLE_S = 60;

const USAGE = `usage: test/cluster/run drill [--seed S]        the first users' ${NODES} nodes and ${FULL_VOLUMES.length} volumes: each node is drained,
                                                restarted and comes back, one is unplugged, one's disk is full
       test/cluster/run kills N [--seed S]      managers, agents and a CSI driver are killed N times while volumes come and go
       test/cluster/run attachments N           a volume is attached and detached N times
       test/cluster/run idle                    ${NODES} nodes with ${IDLE_ENGINES} engines and twice as many replicas each: what they cost
KEEP=1 leaves the logs where they are.`;

type Ends = (() => Promise<void> | void)[];

async function main(): Promise<number> {
  const { positionals, values } = readArguments(USAGE, {
    allowPositionals: true,
    options: {
      seed: { type: "string", default: String(Date.now() % 1_000_000) },
      help: { type: "boolean", default: false },
    },
  });
  const [what = "", count = "0"] = positionals;
  const seed = Number(values.seed);
  const works: Record<string, (ends: Ends) => Promise<void>> = {
    drill: (ends) => drill(ends, seed),
    kills: (ends) => kills(ends, seed, Number(count)),
    attachments: (ends) => attachments(ends, Number(count)),
    idle: (ends) => idle(ends, seed),
  };
  const isCounted = what === "kills" || what === "attachments";
  const work = works[what];
  if (values.help || work === undefined || !Number.isInteger(seed) || (isCounted && !(Number(count) > 0))) {
    console.log(USAGE);
    return values.help ? 0 : 2;
  }
  const ends: Ends = [];
  process.once("SIGINT", () => void end(ends).then(() => process.exit(130)));
  try {
    await work(ends);
    console.log("1 passed, 0 failed");
    return 0;
  } catch (error) {
    console.error(error);
    console.log(`seed ${seed}: 0 passed, 1 failed`);
    return 1;
  } finally {
    await end(ends);
  }
}

async function end(ends: Ends): Promise<void> {
  for (const one of ends.splice(0).reverse()) await one();
}

function start(ends: Ends, nodes: number): Promise<Cluster> {
  return Cluster.start({ teardown: (one) => ends.push(one) }, nodes);
}

async function drill(ends: Ends, seed: number): Promise<void> {
  const cluster = await start(ends, NODES);
  const days = new Drill(cluster, FULL_VOLUMES, seed, (line) => console.log(line));
  ends.push(() => days.kill());
  console.log(`seed ${seed}, ${NODES} nodes, volumes of ${FULL_VOLUMES.join(", ")} GiB`);
  await days.begin();
  console.log(await spread(cluster));
  for (const node of cluster.nodes) await days.restart(node);
  const [first, second] = cluster.nodes;
  if (first === undefined || second === undefined) throw new Error("too few nodes");
  await days.unplug(first);
  await days.fillDisk(second);
  for (const one of days.workloads) await one.pause();
  await sayCosts(cluster);
  await days.end();
  console.log(table(days.steps));
}

async function kills(ends: Ends, seed: number, count: number): Promise<void> {
  const loop = await startKills({ teardown: (one) => ends.push(one) }, seed);
  const began = Date.now();
  await loop.run(count);
  console.log(`seed ${seed}: ${((Date.now() - began) / 1000).toFixed(0)} s; ${loop.summary()}`);
}

async function attachments(ends: Ends, count: number): Promise<void> {
  const cluster = await start(ends, 3);
  const { median, p99, longest, processes } = await attachAgainAndAgain(cluster, count, (line) => console.log(line)); // prettier-ignore
  console.log(`${count} times: attached after ${median.toFixed(0)} ms (median), ${p99.toFixed(0)} (p99), ${longest.toFixed(0)} (longest); processes left per node: ${processes.join(", ")}`); // prettier-ignore
}

/** @throws a node costs more memory or processor than users can spare, or has not the engines and replicas that this is about */
async function idle(ends: Ends, seed: number): Promise<void> {
  const cluster = await start(ends, NODES);
  const days = new Drill(cluster, Array.from({ length: NODES * IDLE_ENGINES }, () => IDLE_GIB), seed, (line) => console.log(line)); // prettier-ignore
  ends.push(() => days.kill());
  await days.begin();
  for (const one of days.workloads) await one.pause();
  const limits = `at most ${mib(IDLE_BYTES_MAX)} MiB private and ${IDLE_CPU_MAX} % of a core are allowed on a node`;
  console.log(`idle: ${limits}`);
  for (const { name, engines, replicas, privateBytes, cpu, costliest } of await sayCosts(cluster)) {
    if (engines !== IDLE_ENGINES || replicas !== 2 * IDLE_ENGINES) throw new Error(`${name} has ${engines} engines and ${replicas} replicas`); // prettier-ignore
    if (privateBytes > IDLE_BYTES_MAX) throw new Error(`${name}: ${mib(privateBytes)} MiB, and ${mib(IDLE_BYTES_MAX)} are allowed`); // prettier-ignore
    if (cpu > IDLE_CPU_MAX) throw new Error(`${name}: ${cpu.toFixed(2)} % of a core, and ${IDLE_CPU_MAX} % are allowed; most of it, ${costliest.cpu.toFixed(2)} %, is process ${costliest.pid}: ${costliest.command}`); // prettier-ignore
  }
  await days.end();
}

/** Of each node and of the manager, while nobody uses what is attached. */
async function sayCosts(cluster: Cluster): Promise<NodeCost[]> {
  const costs = await costOfIdling(cluster, IDLE_S);
  for (const { name, engines, replicas, processes, privateBytes, cpu } of costs)
    console.log(`idle: ${name}: ${engines} engines, ${replicas} replicas, ${processes} processes, ${mib(privateBytes)} MiB private, ${cpu.toFixed(2)} % of a core`); // prettier-ignore
  const manager = await costOfManager(cluster, IDLE_S);
  console.log(
    `idle: manager: ${mib(manager.privateBytes)} MiB private, ${manager.cpu.toFixed(2)} % of a core`,
  );
  return costs;
}

/** How many replicas each node has. */
async function spread({ client, nodes }: Cluster): Promise<string> {
  const hosts = (await client.list("volumes")).flatMap(({ replicas }) =>
    replicas.map(({ hostId }) => hostId),
  );
  const counts = nodes.map(({ name }) => `${name} ${hosts.filter((one) => one === name).length}`);
  return `replicas: ${counts.join(", ")}`;
}

function table(steps: readonly Step[]): string {
  const rows = steps.map(
    ({ name, seconds, bytes, operations, slowest }) =>
    [name.padEnd(34), seconds.toFixed(1).padStart(7), (bytes / 1e6).toFixed(0).padStart(8), String(operations).padStart(8), slowest.toFixed(0).padStart(8)].join(" "), // prettier-ignore
  );
  return [`${"step".padEnd(34)} seconds       MB      ops  slowest ms`, ...rows].join("\n");
}

function mib(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1);
}

process.exitCode = await main();
