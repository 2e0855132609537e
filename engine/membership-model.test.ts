/**
 * Every interleaving of up to two engines that start, write, fail replicas, fence each other and crash, over a small
 * number of replicas, generations and writes. After each step and for every set of replicas that may answer, what would
 * be chosen must hold every acknowledged write.
 */
import t from "tap";
import type { MemberRecord, ReplicaFacts } from "../proto/control.js";
import { chooseMembers, type Answer, type Choice } from "./membership.js";

const SIZE = 4096;
const WANTED = { volume: "v", size: SIZE, salvage: null };

interface Replica {
  /** generation, engine and members (bits) of the stored record */
  generation: number;
  engine: number;
  members: number;
  /** writes that were applied, bits */
  writes: number;
}

/** `recording`: a record is on its way to the members of `todo`. In a takeover, `seen` is what each had when asked. */
type Engine =
  | { is: "off" }
  | {
      is: "recording";
      id: number;
      seen: Pick<Replica, "generation" | "engine">[] | null;
      generation: number;
      members: number;
      todo: number;
      /** writes that are acknowledged once all members have the record, bits */
      held: number;
    }
  | { is: "serving"; id: number; generation: number; members: number };

interface World {
  replicas: Replica[];
  engines: Engine[];
  starts: number;
  /** writes tried and writes acknowledged, bits */
  tried: number;
  acknowledged: number;
}

interface Bounds {
  replicas: number;
  engines: number;
  starts: number;
  writes: number;
  generations: number;
}

function bits(set: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => i).filter((i) => (set >> i) & 1);
}

function recordOf({ generation, engine, members }: Replica, count: number): MemberRecord | null {
  if (generation === 0) return null;
  const ids = bits(members, count).map(String);
  return {
    generation,
    members: ids,
    engineId: `e${engine}`,
    engineBootId: "b",
    engineState: new Uint8Array(),
    revisionAtLeast: 0,
    absent: [],
  };
}

function choose(world: World, reachable: number): Choice {
  const count = world.replicas.length;
  const answers = world.replicas.map((replica, i): Answer => {
    if (((reachable >> i) & 1) === 0) return { address: `h:${i}`, unreachable: "down" };
    const facts: ReplicaFacts = {
      volume: "v",
      replicaId: String(i),
      size: SIZE,
      record: recordOf(replica, count),
      lostWrites: false,
      inheritedRegions: 0,
      regionSize: 1,
      bootId: "b",
      directory: "",
      dataPort: 1,
      revision: 0,
      allocated: replica.writes === 0 ? 0 : SIZE,
      chain: [],
      unfit: "",
      heldGeneration: 0,
    };
    return { address: `h:${i}`, facts };
  });
  return chooseMembers(answers, WANTED);
}

function membersOf(choice: Extract<Choice, { type: "start" }>): number {
  return choice.members.reduce((set, { facts }) => set | (1 << Number(facts.replicaId)), 0);
}

function stale(world: World, members: number): boolean {
  const { acknowledged } = world;
  return bits(members, world.replicas.length).some(
    (i) => ((world.replicas[i]?.writes ?? 0) & acknowledged) !== acknowledged,
  );
}

/** A copy of the world with one engine and possibly one replica changed. */
function change(world: World, index: number, engine: Engine, patch: Partial<World> = {}): World {
  return { ...world, engines: world.engines.map((old, i) => (i === index ? engine : old)), ...patch };
}

function* steps(world: World, bounds: Bounds): Generator<World> {
  for (const [index, engine] of world.engines.entries()) {
    switch (engine.is) {
      case "off":
        yield* startSteps(world, index, bounds);
        break;
      case "recording":
        yield change(world, index, { is: "off" });
        yield* recordSteps(world, index, engine, bounds);
        break;
      case "serving":
        yield change(world, index, { is: "off" });
        yield* writeSteps(world, index, engine, bounds);
        break;
    }
  }
}

function* startSteps(world: World, index: number, bounds: Bounds): Generator<World> {
  if (world.starts >= bounds.starts) return;
  for (let reachable = 1; reachable < 1 << bounds.replicas; reachable++) {
    const choice = choose(world, reachable);
    if (choice.type !== "start") continue;
    const members = membersOf(choice);
    const generation = choice.generation + 1;
    const seen = world.replicas.map(({ generation, engine }) => ({ generation, engine }));
    const recording = {
      is: "recording",
      id: world.starts,
      seen,
      generation,
      members,
      todo: members,
      held: 0,
    } as const;
    yield change(world, index, recording, { starts: world.starts + 1 });
  }
}

type Recording = Extract<Engine, { is: "recording" }>;

function* recordSteps(world: World, index: number, engine: Recording, bounds: Bounds): Generator<World> {
  for (const target of bits(engine.todo, bounds.replicas)) {
    const replica = world.replicas[target];
    if (replica === undefined) continue;
    const todo = engine.todo & ~(1 << target);
    const { id, seen, generation, members } = engine;
    const expected = seen?.[target];
    const asExpected =
      expected === undefined
        ? replica.engine === id
        : (replica.engine === expected.engine && replica.generation === expected.generation) ||
          replica.engine === id;
    if (!asExpected || generation < replica.generation) {
      yield change(world, index, { is: "off" });
      continue;
    }
    const stored = { ...replica, generation, engine: id, members };
    const replicas = world.replicas.map((old, i) => (i === target ? stored : old));
    yield settle(change(world, index, { ...engine, todo }, { replicas }), index);
    // Not stored, or stored and the answer is lost. A takeover starts over; a serving engine leaves it out, or tries all
    // again when it has nobody else.
    if (seen !== null || generation >= bounds.generations) continue;
    const others = members & ~(1 << target);
    for (const rest of others === 0 ? [members] : [others, members]) {
      const next: Engine = { ...engine, generation: generation + 1, members: rest, todo: rest };
      yield change(world, index, next, { replicas });
      yield change(world, index, next);
    }
  }
}

function settle(world: World, index: number): World {
  const engine = world.engines[index];
  if (engine?.is !== "recording" || engine.todo !== 0) return world;
  const { id, generation, members } = engine;
  return change(
    world,
    index,
    { is: "serving", id, generation, members },
    { acknowledged: world.acknowledged | engine.held },
  );
}

type Serving = Extract<Engine, { is: "serving" }>;

function* writeSteps(world: World, index: number, engine: Serving, bounds: Bounds): Generator<World> {
  const number = bits(world.tried, bounds.writes).length;
  if (number >= bounds.writes) return;
  const write = 1 << number;
  const tried = world.tried | write;
  const willing = bits(engine.members, bounds.replicas).filter(
    (i) => world.replicas[i]?.engine === engine.id,
  );
  for (let reached = 0; reached < 1 << bounds.replicas; reached++) {
    const done = reached & willing.reduce((set, i) => set | (1 << i), 0);
    if (done !== reached) continue;
    const replicas = world.replicas.map((old, i) =>
      (done >> i) & 1 ? { ...old, writes: old.writes | write } : old,
    );
    const missing = engine.members & ~done;
    if (missing === 0) {
      yield change(world, index, engine, { replicas, tried, acknowledged: world.acknowledged | write });
      continue;
    }
    if (engine.generation >= bounds.generations) continue;
    // Those that did not answer are failed, in any combination that leaves a survivor: the last one is waited for.
    const survivors = engine.members & ~missing;
    if (survivors === 0) continue;
    const generation = engine.generation + 1;
    const next: Engine = {
      is: "recording",
      id: engine.id,
      seen: null,
      generation,
      members: survivors,
      todo: survivors,
      held: write,
    };
    yield change(world, index, next, { replicas, tried });
  }
}

function explore(bounds: Bounds): { states: number; starts: number; problem: World | null } {
  const first: World = {
    replicas: Array.from({ length: bounds.replicas }, () => ({
      generation: 0,
      engine: -1,
      members: 0,
      writes: 0,
    })),
    engines: Array.from({ length: bounds.engines }, () => ({ is: "off" })),
    starts: 0,
    tried: 0,
    acknowledged: 0,
  };
  const seen = new Set([JSON.stringify(first)]);
  const queue = [first];
  let starts = 0;
  for (let world = queue.pop(); world !== undefined; world = queue.pop()) {
    for (let reachable = 1; reachable < 1 << bounds.replicas; reachable++) {
      const choice = choose(world, reachable);
      if (choice.type !== "start") continue;
      starts += 1;
      // A live engine's write that is still held may be missing; an acknowledged one may not.
      if (stale(world, membersOf(choice))) return { states: seen.size, starts, problem: world };
    }
    for (const engine of world.engines) {
      if (engine.is === "serving" && engine.generation > 0 && !owns(world, engine)) continue;
      if (engine.is === "serving" && stale(world, engine.members))
        return { states: seen.size, starts, problem: world };
    }
    for (const next of steps(world, bounds)) {
      const key = JSON.stringify(next);
      if (seen.has(key)) continue;
      seen.add(key);
      queue.push(next);
    }
  }
  return { states: seen.size, starts, problem: null };
}

/** Whether all members still are this engine's: another may have fenced it without its knowing. */
function owns(world: World, engine: Serving): boolean {
  return bits(engine.members, world.replicas.length).every(
    (i) => world.replicas[i]?.generation === engine.generation,
  );
}

const BOUNDS: Bounds[] = [
  { replicas: 2, engines: 2, starts: 4, writes: 2, generations: 5 },
  { replicas: 3, engines: 1, starts: 3, writes: 2, generations: 4 },
  { replicas: 3, engines: 2, starts: 2, writes: 1, generations: 4 },
];

for (const bounds of BOUNDS) {
  t.test(`no stale copy is chosen: ${JSON.stringify(bounds)}`, (t) => {
    const { states, starts, problem } = explore(bounds);
    t.equal(problem, null);
    t.comment(`${states} states, ${starts} choices`);
    t.ok(states > 1000 && starts > 1000, "the search got somewhere");
    t.end();
  });
}
