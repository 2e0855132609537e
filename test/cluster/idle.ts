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
}

const CLOCK_TICKS = 100;

/** @param seconds to look on */
export async function costOfIdling(cluster: Cluster, seconds: number): Promise<NodeCost[]> {
  const volumes = await cluster.client.list("volumes");
  const pids = new Map<string, number[]>();
  for (const node of cluster.nodes) pids.set(node.name, await cluster.pids(node));
  const ticks = (name: string) => (pids.get(name) ?? []).reduce((sum, pid) => sum + ticksOf(pid), 0);
  const before = new Map(cluster.nodes.map(({ name }) => [name, ticks(name)]));
  await sleep(seconds * 1000);
  return cluster.nodes.map(({ name }) => ({
    name,
    engines: volumes.filter(({ controllers }) => (controllers ?? []).some((one) => one.hostId === name))
      .length,
    replicas: volumes.flatMap(({ replicas }) => replicas).filter(({ hostId }) => hostId === name).length,
    processes: pids.get(name)?.length ?? 0,
    privateBytes: (pids.get(name) ?? []).reduce((sum, pid) => sum + privateBytesOf(pid), 0),
    cpu: ((ticks(name) - (before.get(name) ?? 0)) / CLOCK_TICKS / seconds) * 100,
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
