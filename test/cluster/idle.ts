/** What a node costs while its volumes are attached and nobody uses them. */
import { readFileSync } from "node:fs";
import { sleep } from "../tools/process.js";
import type { Cluster } from "./cluster.js";

export interface NodeCost {
  name: string;
  engines: number;
  replicas: number;
  processes: number;
  /** bytes that no other process shares */
  privateBytes: number;
  /** of one core, per cent */
  cpu: number;
  /** of all processes there */
  costliest: ProcessCost;
}

export interface ProcessCost {
  pid: number;
  /** its program and the first words after it */
  command: string;
  cpu: number;
}

const COMMAND_WORDS = 6;

const CLOCK_TICKS = 100;

/** @param seconds to look on */
export async function costOfIdling(cluster: Cluster, seconds: number): Promise<NodeCost[]> {
  const volumes = await cluster.client.list("volumes");
  const pids = new Map<string, number[]>();
  for (const node of cluster.nodes) pids.set(node.name, await cluster.pids(node));
  const before = new Map([...pids.values()].flat().map((pid) => [pid, ticksOf(pid)]));
  await sleep(seconds * 1000);
  const cpuOf = (pid: number) => ((ticksOf(pid) - (before.get(pid) ?? 0)) / CLOCK_TICKS / seconds) * 100;
  const costs = new Map(cluster.nodes.map(({ name }) => [name, (pids.get(name) ?? []).map((pid): ProcessCost => ({ pid, command: commandOf(pid), cpu: cpuOf(pid) }))])); // prettier-ignore
  return cluster.nodes.map(({ name }) => ({
    name,
    engines: volumes.filter(({ controllers }) => (controllers ?? []).some((one) => one.hostId === name))
      .length,
    replicas: volumes.flatMap(({ replicas }) => replicas).filter(({ hostId }) => hostId === name).length,
    processes: pids.get(name)?.length ?? 0,
    privateBytes: (pids.get(name) ?? []).reduce((sum, pid) => sum + privateBytesOf(pid), 0),
    cpu: (costs.get(name) ?? []).reduce((sum, { cpu }) => sum + cpu, 0),
    costliest: (costs.get(name) ?? []).reduce((most, one) => (one.cpu > most.cpu ? one : most), { pid: 0, command: "", cpu: 0 }), // prettier-ignore
  }));
}

/** Of the manager, which runs on one of the nodes in the end. */
export async function costOfManager(
  cluster: Cluster,
  seconds: number,
): Promise<Pick<NodeCost, "privateBytes" | "cpu">> {
  const pid = cluster.managerPid;
  const before = ticksOf(pid);
  await sleep(seconds * 1000);
  return { privateBytes: privateBytesOf(pid), cpu: ((ticksOf(pid) - before) / CLOCK_TICKS / seconds) * 100 };
}

function commandOf(pid: number): string {
  const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").filter(Boolean);
  return words.slice(0, COMMAND_WORDS).join(" ");
}

function ticksOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // proc_pid_stat(5): fields 14 and 15; the name before them may hold spaces.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return Number(fields[11]) + Number(fields[12]);
}

function privateBytesOf(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const kib = (name: string) => Number(new RegExp(`^${name}: +(\\d+) kB`, "m").exec(rollup)?.[1] ?? 0);
  return (kib("Private_Clean") + kib("Private_Dirty")) * 1024;
}
