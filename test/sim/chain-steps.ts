/** What is done to a volume's chain and its replicas, where a manager does it. */
import { ManagedWorld } from "./managed-world.js";
import type { Machine } from "./machine.js";
import type { Random } from "./random.js";
import { RotWorld } from "./rot-world.js";
import type { World } from "./world.js";

/** An index picks one of the snapshots that are there by then, -1 the last one. */
export type ChainStep =
  | { do: "snapshot" | "purge" }
  | { do: "revert" | "removeSnapshot" | "hash" | "rehash"; index: number }
  /** null: the head */
  | { do: "rot"; machine: number; index: number | null }
  | { do: "expand"; bytes: number }
  | { do: "removeReplica"; machine: number }
  | { do: "addReplica"; machine: number; empty: boolean };

/** What is done by chance. */
type Kind = Exclude<ChainStep["do"], "rehash" | "rot">;

const KINDS = [
  ...["snapshot", "snapshot", "snapshot", "snapshot", "revert", "removeSnapshot", "removeSnapshot"],
  ...["purge", "purge", "expand", "removeReplica", "addReplica", "addReplica", "hash"],
] as Kind[];
const ALL: ReadonlySet<string> = new Set([...KINDS, "rehash", "rot"]);

const EXPANSIONS = [4096, 64 << 10, 1 << 20, 3 << 20];

export function isChainStep<T extends { do: string }>(step: T): step is Extract<T, ChainStep> {
  return ALL.has(step.do);
}

export function chainStep(at: number, random: Random, replicas: number): { at: number } & ChainStep {
  const kind = random.pick(KINDS);
  switch (kind) {
    case "snapshot":
    case "purge":
      return { at, do: kind };
    case "revert":
    case "removeSnapshot":
    case "hash":
      return { at, do: kind, index: random.below(8) };
    case "expand":
      return { at, do: kind, bytes: random.pick(EXPANSIONS) };
    case "removeReplica":
      return { at, do: kind, machine: random.below(replicas) };
    case "addReplica":
      return { at, do: kind, machine: random.below(replicas), empty: random.chance(0.3) };
    default:
      return kind satisfies never;
  }
}

export function performChain(world: World, step: ChainStep): void {
  if (!(world instanceof ManagedWorld)) throw new Error(`only a manager does ${step.do}`);
  world.trace(`CHAIN ${JSON.stringify(step)}`);
  const replica = (index: number) => world.replicas[index] as Machine;
  switch (step.do) {
    case "snapshot": {
      world.takeSnapshot();
      return;
    }
    case "purge": {
      world.purge();
      return;
    }
    case "revert": {
      world.revert(step.index);
      return;
    }
    case "removeSnapshot": {
      world.removeSnapshot(step.index);
      return;
    }
    case "hash":
    case "rehash": {
      world.hash(step.index, step.do === "rehash");
      return;
    }
    case "rot": {
      if (world instanceof RotWorld) world.rot(replica(step.machine), step.index);
      return;
    }
    case "expand": {
      world.expand(step.bytes);
      return;
    }
    case "removeReplica": {
      world.removeReplica(replica(step.machine));
      return;
    }
    case "addReplica": {
      world.addReplica(replica(step.machine), step.empty);
      return;
    }
    default:
      step satisfies never;
  }
}
