/** How much of nodes is in use: their agents are asked when somebody asks. Names and labels are Longhorn's. Facts: manager.md section 20. */
import { Gauge, type Registry } from "prom-client";
import type { MachineUse, NodeOperations } from "../operations.js";
import type { Store } from "../store/store.js";

const METRICS: readonly (readonly [name: string, value: keyof MachineUse, help: string])[] = [
  ["cpu_capacity_millicpu", "cpuCapacity", "Thousandths of a processor that a node has."],
  ["cpu_usage_millicpu", "cpuUsage", "Of those, what was busy since somebody asked last, with whatever."],
  ["memory_capacity_bytes", "memoryCapacity", "Memory that a node has."],
  ["memory_usage_bytes", "memoryUsage", "Memory of a node that is in use, by whomever, and cannot be had back at once."],
]; // prettier-ignore

type Told = readonly (readonly [node: string, use: MachineUse])[];

export function registerNodeMetrics(
  registry: Registry,
  store: Store,
  nodes: Pick<NodeOperations, "machineUse">,
): void {
  let asking: Promise<Told> | null = null;
  const ask = () => {
    asking ??= askAll(store, nodes).finally(() => (asking = null));
    return asking;
  };
  for (const [name, value, help] of METRICS)
    new Gauge({
      name: `longhorn_node_${name}`,
      help,
      labelNames: ["node"],
      registers: [registry],
      async collect() {
        const told = await ask();
        this.reset();
        for (const [node, use] of told) this.set({ node }, use[value]);
      },
    });
}

/** One whose agent does not answer in time has none. */
async function askAll(store: Store, nodes: Pick<NodeOperations, "machineUse">): Promise<Told> {
  const names = (await store.list("Node")).map(({ metadata }) => metadata.name);
  const told = names.map(async (name): Promise<Told> => {
    const use = await nodes.machineUse(name).catch(() => null);
    return use === null ? [] : [[name, use]];
  });
  return (await Promise.all(told)).flat();
}
