/** Searches all that engines, replicas and a witness can come to for a stale choice. */
import t from "tap";
import { bits, setOf, Steps, type Bounds, type Engine, type Part, type Replica, type Serving, type World } from "./membership-world.js"; // prettier-ignore

function stale({ replicas, acknowledged }: World, members: number): boolean {
  return bits(members, replicas.length).some(
    (i) => ((replicas[i]?.writes ?? 0) & acknowledged) !== acknowledged,
  );
}

/** Whether all members still are this engine's: another may have fenced it without its knowing. */
function owns({ replicas }: World, { members, id }: Serving): boolean {
  return bits(members, replicas.length).every((i) => replicas[i]?.engine === id);
}

/** A copy that was gone on with alone, while another engine went on without it: neither could be told from the newer one. */
function torn(world: World, count: number): boolean {
  return world.engines.some(
    (engine) =>
      engine.is === "serving" &&
      owns(world, engine) &&
      engine.open.length === 1 &&
      bits(~engine.members, count).some((i) => {
        const { members = 0, generation = 0, engine: id = -1 } = world.replicas[i] ?? {};
        return id !== engine.id && generation > 0 && members === 1 << i;
      }),
  );
}

interface Result {
  states: number;
  starts: number;
  /** choices that went on without a member */
  without: number;
  problem: World | null;
}

/** A short name for each world: worlds that are alike in all have the same one. */
class Names {
  readonly #ofText = new Map<string, number>();
  // Worlds share the parts that a step leaves alone.
  readonly #ofPart = new WeakMap<Replica | Engine, number>();

  of({ replicas, engines, ...counts }: World): string {
    return [...[...replicas, ...engines].map((part) => this.#part(part)), ...Object.values(counts)].join();
  }

  #part(part: Replica | Engine): number {
    let name = this.#ofPart.get(part);
    if (name !== undefined) return name;
    const text = JSON.stringify(part);
    name = this.#ofText.get(text) ?? this.#ofText.size;
    this.#ofText.set(text, name);
    this.#ofPart.set(part, name);
    return name;
  }
}

function explore(bounds: Bounds): Result {
  const steps = new Steps(bounds);
  const first = steps.first();
  const names = new Names();
  const seen = new Set([names.of(first)]);
  const queue = [first];
  const result: Result = { states: 0, starts: 0, without: 0, problem: null };
  for (let world = queue.pop(); world !== undefined; world = queue.pop()) {
    result.states += 1;
    for (let reachable = 1; reachable <= steps.all; reachable++) {
      const choice = steps.choose(world, reachable);
      if (choice.type !== "start") continue;
      result.starts += 1;
      if (choice.missing.length > 0) result.without += 1;
      // A live engine's write that is still held may be missing; an acknowledged one may not.
      if (stale(world, setOf(choice.members))) return { ...result, problem: world };
    }
    for (const engine of world.engines)
      if (engine.is === "serving" && owns(world, engine) && stale(world, engine.members))
        return { ...result, problem: world };
    for (const engine of bounds.reads ? world.engines : [])
      for (const reader of bits(steps.all, bounds.replicas))
        if (steps.reads(world, engine, reader) && stale(world, 1 << reader))
          return { ...result, problem: world };
    if (bounds.witness && torn(world, bounds.replicas)) return { ...result, problem: world };
    for (const next of steps.of(world)) {
      const key = names.of(next);
      if (seen.has(key)) continue;
      seen.add(key);
      queue.push(next);
    }
  }
  return result;
}

/** The search has to find what happens without a part of the read lease. */
export function testFinds(bounds: Bounds & { without: Part }): void {
  void t.test(`a stale read is found without the ${bounds.without}: ${JSON.stringify(bounds)}`, (t) => {
    const { states, problem } = explore(bounds);
    t.comment(`${states} states`);
    t.not(problem, null);
    t.end();
  });
}

/** After each step and for every set of replicas that may answer, what would be chosen must hold every acknowledged write. */
export function testMembership(bounds: Bounds): void {
  void t.test(`no stale copy is chosen: ${JSON.stringify(bounds)}`, (t) => {
    const { states, starts, without, problem } = explore(bounds);
    t.equal(problem, null);
    t.comment(`${states} states, ${starts} choices, ${without} of them without a member`);
    t.ok(states > 1000 && starts > 1000, "the search got somewhere");
    t.equal(without > 0, bounds.witness);
    t.end();
  });
}
