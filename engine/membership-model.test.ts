/**
 * Every interleaving of up to two engines that start, write, fail replicas, make them copies again, fence each other and
 * crash, over a small number of replicas, generations and writes. After each step and for every set of replicas that may
 * answer, what would be chosen must hold every acknowledged write.
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
      /** the replica that becomes a member by this record (it is written already), or -1 */
      joining: number;
      /** the replica that goes on being resynced or rebuilt meanwhile, or -1 */
      resyncing: number;
    }
  | {
      is: "serving";
      id: number;
      generation: number;
      members: number;
      /** the replica that is resynced or rebuilt: fenced and written, but no member; or -1 */
      resyncing: number;
    };

interface World {
  replicas: Replica[];
  engines: Engine[];
  starts: number;
  /** records on somebody's order */
  orders: number;
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
  orders: number;
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
      opening: "",
      chainCreated: [],
      snapshots: [],
      unfit: "",
      rebuildInterrupted: false,
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
        yield* resyncSteps(world, index, engine, bounds);
        yield* orderSteps(world, index, engine, bounds);
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
    const fenced = choice.fenced.reduce((set, { facts }) => set | (1 << Number(facts.replicaId)), 0);
    const generation = choice.generation + 1;
    const seen = world.replicas.map(({ generation, engine }) => ({ generation, engine }));
    const recording = {
      is: "recording",
      id: world.starts,
      seen,
      generation,
      members,
      todo: members | fenced,
      held: 0,
      joining: -1,
      resyncing: -1,
    } as const;
    yield change(world, index, recording, { starts: world.starts + 1 });
  }
}

type Recording = Extract<Engine, { is: "recording" }>;

function* recordSteps(world: World, index: number, engine: Recording, bounds: Bounds): Generator<World> {
  // A takeover fences those that are no members first.
  const fenced = engine.todo & ~engine.members;
  for (const target of bits(fenced === 0 ? engine.todo : fenced, bounds.replicas)) {
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
    // One that is only becoming a member is nobody to go on with alone.
    const alone = others === 0 || others === 1 << engine.joining;
    for (const rest of alone ? [members] : [others, members]) {
      const joining = (rest >> engine.joining) & 1 ? engine.joining : -1;
      const next: Engine = { ...engine, generation: generation + 1, members: rest, todo: rest, joining };
      yield change(world, index, next, { replicas });
      yield change(world, index, next);
    }
  }
}

function settle(world: World, index: number): World {
  const engine = world.engines[index];
  if (engine?.is !== "recording" || engine.todo !== 0) return world;
  const { id, generation, members, resyncing } = engine;
  return change(
    world,
    index,
    { is: "serving", id, generation, members, resyncing },
    { acknowledged: world.acknowledged | engine.held },
  );
}

type Serving = Extract<Engine, { is: "serving" }>;

function* writeSteps(world: World, index: number, engine: Serving, bounds: Bounds): Generator<World> {
  const number = bits(world.tried, bounds.writes).length;
  if (number >= bounds.writes) return;
  const write = 1 << number;
  const tried = world.tried | write;
  const { resyncing } = engine;
  const written = engine.members | (resyncing < 0 ? 0 : 1 << resyncing);
  const willing = bits(written, bounds.replicas).filter((i) => world.replicas[i]?.engine === engine.id);
  for (let reached = 0; reached < 1 << bounds.replicas; reached++) {
    const done = reached & willing.reduce((set, i) => set | (1 << i), 0);
    if (done !== reached) continue;
    const replicas = world.replicas.map((old, i) =>
      (done >> i) & 1 ? { ...old, writes: old.writes | write } : old,
    );
    const missing = engine.members & ~done;
    if (missing === 0) {
      // One that is resynced and did not answer is let go without a record: none names it.
      const kept = (done >> resyncing) & 1 ? resyncing : -1;
      const acknowledged = world.acknowledged | write;
      yield change(world, index, { ...engine, resyncing: kept }, { replicas, tried, acknowledged });
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
      joining: -1,
      resyncing: (done >> resyncing) & 1 ? resyncing : -1,
    };
    yield change(world, index, next, { replicas, tried });
  }
}

/** A replica that is no member comes back: it stores the present record, is written, made equal, and recorded. */
function* resyncSteps(world: World, index: number, engine: Serving, bounds: Bounds): Generator<World> {
  const { id, generation, members, resyncing } = engine;
  const own = (i: number) => world.replicas[i]?.engine === id;
  if (resyncing < 0) {
    for (const i of bits(~members, bounds.replicas)) {
      const replica = world.replicas[i];
      // One that has gone on by itself is declined.
      if (replica === undefined || replica.generation > generation) continue;
      const admitted = { ...replica, generation, engine: id, members };
      const replicas = world.replicas.map((old, j) => (i === j ? admitted : old));
      yield change(world, index, { ...engine, resyncing: i }, { replicas });
      yield change(world, index, engine, { replicas }); // stored, and the answer is lost
    }
    return;
  }
  yield change(world, index, { ...engine, resyncing: -1 });
  if (!own(resyncing) || generation >= bounds.generations) return;
  // All of it is copied from a member before it is named.
  for (const from of bits(members, bounds.replicas).filter(own)) {
    const { writes } = world.replicas[from] ?? { writes: 0 };
    const replicas = world.replicas.map((old, i) => (i === resyncing ? { ...old, writes } : old));
    const all = members | (1 << resyncing);
    const next: Engine = {
      ...{ is: "recording", id, seen: null, generation: generation + 1 },
      ...{ members: all, todo: all, held: 0, joining: resyncing, resyncing: -1 },
    };
    yield change(world, index, next, { replicas });
  }
}

/** Records the members anew on somebody's order: as they are (a replica is about to be rebuilt), or without some of them. */
function* orderSteps(world: World, index: number, engine: Serving, bounds: Bounds): Generator<World> {
  if (engine.generation >= bounds.generations || world.orders >= bounds.orders) return;
  const { id, resyncing } = engine;
  for (let members = 1; members <= engine.members; members++) {
    if ((members & ~engine.members) !== 0) continue;
    const next: Engine = {
      ...{ is: "recording", id, seen: null, generation: engine.generation + 1 },
      ...{ members, todo: members, held: 0, joining: -1, resyncing },
    };
    yield change(world, index, next, { orders: world.orders + 1 });
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
    orders: 0,
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
  { replicas: 2, engines: 2, starts: 3, writes: 1, generations: 5, orders: 0 },
  { replicas: 2, engines: 1, starts: 3, writes: 2, generations: 5, orders: 2 },
  { replicas: 3, engines: 1, starts: 2, writes: 1, generations: 4, orders: 1 },
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
