/** Copies that are made equal, of all volumes: on each node as many at once as a setting says. */
import type { Resource } from "../objects/resource.js";
import { isReadable } from "./draft.js";
import type { Plan, World } from "./world.js";

/** ms that one counts which its engine does not tell of: it starts, and is taken in, within seconds, or not at all. */
const BEGIN_MS = 60_000;

export class Rebuilds {
  /** by replica */
  readonly #begun = new Map<string, { node: string; until: number }>();

  /** What was decided counts at once: other volumes are decided about before it is stored, and its engine tells of it later. */
  note({ now, engine, replicas }: Pick<World, "now" | "engine" | "replicas">, plan: Plan): void {
    const begin = (name: string, node: string) => {
      if (isReadable(engine)) this.#begun.set(name, { node, until: now + BEGIN_MS });
    };
    for (const { metadata } of plan.deleted) this.#begun.delete(metadata.name);
    for (const made of plan.created) if (made.kind === "Replica") begin(made.name, made.spec.nodeID ?? "");
    const wereRunning = replicas.filter(isToRun).map(({ metadata }) => metadata.name);
    for (const replica of plan.replicas) {
      const { name } = replica.metadata;
      const wasRunning = wereRunning.includes(name);
      if (isToRun(replica) && !wasRunning) begin(name, replica.spec.nodeID);
      // It has ended before it was taken in.
      if (!isToRun(replica) && wasRunning) this.#begun.delete(name);
    }
  }

  /** @returns how many there are, by node */
  byNode(
    engines: Iterable<Resource<"Engine">>,
    replicas: ReadonlyMap<string, Resource<"Replica">>,
    now: number,
  ): Map<string, number> {
    const nodes = new Map<string, string>();
    for (const [name, { node, until }] of this.#begun)
      if (now < until) nodes.set(name, node);
      else this.#begun.delete(name);
    for (const engine of engines)
      for (const [name, mode] of Object.entries(engine.status.replicaModeMap)) {
        const node = replicas.get(name)?.spec.nodeID;
        if (mode === "WO" && node !== undefined) nodes.set(name, node);
        if (mode === "RW") this.#end(name, nodes);
      }
    const counts = new Map<string, number>();
    for (const node of nodes.values()) counts.set(node, (counts.get(node) ?? 0) + 1);
    return counts;
  }

  #end(name: string, nodes: Map<string, string>): void {
    nodes.delete(name);
    this.#begun.delete(name);
  }
}

function isToRun({ spec }: Resource<"Replica">): boolean {
  return spec.desireState === "running";
}
