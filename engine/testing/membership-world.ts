/** Engines, replicas and a witness as small numbers, and all steps that they can take: what `membership-search.ts` searches. */
import type { MemberRecord, ReplicaFacts } from "../../proto/control.js";
import { chooseMembers, type Answer, type Choice } from "../membership.js";
import { aloneSince, canChange } from "../quorum.js";
import { changeOthers, haveRecord, hear } from "./lease-time.js";

const SIZE = 4096;
const WANTED = { volume: "v", size: SIZE, salvage: null, acceptLostWrites: false };

/** Sets are bits. With a witness, it is the last of the replicas. */
export interface Replica {
  /** generation, engine and members of the stored record */
  generation: number;
  engine: number;
  members: number;
  /** copies without it may still be read */
  leased: boolean;
  /** writes that were applied */
  writes: number;
}

type Basis = Pick<Replica, "generation" | "engine">;

export interface Running {
  id: number;
  generation: number;
  /** copies */
  members: number;
  /** it stores records, too */
  witnessed: boolean;
  /** members that may count, as in RecordKeeper */
  open: number[];
  /** copies that it may answer reads from */
  readers: number;
  /** those that have not got its record any more, and said within the time of a read lease that they had: all that can say so, at any time */
  past: number;
  /** of these, those that can have said so since another engine began to wait for the end of its lease */
  pastSince: number;
  /** it took over without a copy, and waits for the end of others' leases */
  waits: boolean;
  /** what its present record says of copies that have not stored it */
  leased: boolean;
  /** the replica that is resynced or rebuilt: fenced and written, but no member; or -1 */
  resyncing: number;
}

/** A record is on its way to those of `todo`. In a takeover, `seen` is what each had when asked. */
export interface Recording extends Running {
  is: "recording";
  seen: Basis[] | null;
  /** what the witness had stored when the engine asked it, before a record that all copies have stored; null: it takes part already */
  witnessBasis: Basis | null;
  /** what it had stored when asked before this record: it joins by the next one; null: it does not */
  joinsFrom: Basis | null;
  todo: number;
  /** writes that are acknowledged once all members have the record */
  held: number;
  /** the replica that becomes a member by this record (it is written already), or -1 */
  joining: number;
}

export interface Serving extends Running {
  is: "serving";
}

export type Engine = { is: "off" } | Recording | Serving;

export interface World {
  replicas: Replica[];
  engines: Engine[];
  starts: number;
  /** records on somebody's order */
  orders: number;
  /** writes tried and writes acknowledged */
  tried: number;
  acknowledged: number;
}

/** What the search has to find a stale read without: nobody says that reads count; whoever takes over does not wait; nor who
 * starts from a record that left a copy out, whose engine may not know that it is stored. */
export type Part = "lease" | "wait" | "leased record";

export interface Bounds {
  /** of engines that others take over from, which wait for the end of their leases */
  reads?: true;
  without?: Part;
  /** that hold data */
  replicas: number;
  witness: boolean;
  engines: number;
  starts: number;
  writes: number;
  generations: number;
  orders: number;
}

export function bits(set: number, count: number): number[] {
  const found = [];
  for (let i = 0; i < count; i++) if (has(set, i)) found.push(i);
  return found;
}

function has(set: number, i: number): boolean {
  return i >= 0 && ((set >> i) & 1) === 1;
}

export class Steps {
  /** bit of the witness; 0: there is none */
  readonly witness: number;
  /** that may answer */
  readonly all: number;

  /** what is chosen depends on little */
  readonly #choices = new Map<string, Choice>();

  constructor(readonly bounds: Bounds) {
    this.witness = bounds.witness ? 1 << bounds.replicas : 0;
    this.all = (1 << bounds.replicas) - 1 + this.witness;
  }

  first(): World {
    const { bounds } = this;
    const replica = { generation: 0, engine: -1, members: 0, leased: false, heldByAll: 0, writes: 0 };
    return {
      replicas: bits(this.all, bounds.replicas + 1).map(() => replica),
      engines: Array.from({ length: bounds.engines }, () => ({ is: "off" })),
      ...{ starts: 0, orders: 0, tried: 0, acknowledged: 0 },
    };
  }

  // ------------------------------------------------------------------------------------------ what is chosen

  choose(world: World, reachable: number): Choice {
    const seen = world.replicas.map(
      ({ generation, engine, members, leased, writes }) =>
        `${generation} ${engine} ${members} ${leased} ${writes > 0}`,
    );
    const key = `${reachable}: ${seen.join()}`;
    const known = this.#choices.get(key);
    if (known !== undefined) return known;
    const choice = this.#choose(world, reachable);
    this.#choices.set(key, choice);
    return choice;
  }

  #choose(world: World, reachable: number): Choice {
    const answers = world.replicas.map((replica, i): Answer => {
      const address = `h:${i}`;
      return has(reachable, i)
        ? { address, facts: this.#facts(replica, i) }
        : { address, unreachable: "down" };
    });
    const witness = this.witness === 0 ? null : (answers.pop() ?? null);
    return chooseMembers(answers, WANTED, witness);
  }

  #facts(replica: Replica, i: number): ReplicaFacts {
    return {
      ...{ volume: "v", replicaId: String(i), size: SIZE, record: this.#record(replica), lostWrites: false },
      ...{
        inheritedRegions: 0,
        regionSize: 1,
        bootId: "b",
        directory: "",
        dataPort: 1,
        dataSocket: "",
        revision: 0,
      },
      ...{
        allocated: replica.writes === 0 ? 0 : SIZE,
        chain: [],
        opening: "",
        chainCreated: [],
        snapshots: [],
        unfit: "",
      },
      ...{ rebuildInterrupted: false, heldGeneration: 0, witness: 1 << i === this.witness, backing: "" },
    };
  }

  #record({ generation, engine, members, leased }: Replica): MemberRecord | null {
    if (generation === 0) return null;
    return {
      ...{ generation, ...this.#voters(members), engineId: `e${engine}`, engineBootId: "b" },
      ...{
        engineState: new Uint8Array(),
        revisionAtLeast: 0,
        absent: [],
        reverting: "",
        leased,
        heldByAll: 0,
      },
    };
  }

  #voters(members: number): Pick<MemberRecord, "members" | "witnesses"> {
    const ids = (set: number) => bits(set, this.bounds.replicas + 1).map(String);
    return { members: ids(members), witnesses: ids(members & this.witness) };
  }

  // ------------------------------------------------------------------------------------------ what engines do

  *of(world: World): Generator<World> {
    for (const next of this.#steps(world)) yield this.bounds.reads ? hear(world, next) : next;
  }

  *#steps(world: World): Generator<World> {
    for (const [index, engine] of world.engines.entries()) {
      if (engine.is === "off") {
        yield* this.#start(world, index);
        continue;
      }
      yield change(world, index, { is: "off" });
      if (engine.is === "recording") {
        yield* this.#store(world, index, engine);
      } else if (engine.waits) {
        yield this.#waited(world, index, engine);
      } else {
        yield* this.#write(world, index, engine);
        yield* this.#resync(world, index, engine);
        yield* this.#order(world, index, engine);
        yield* this.#changeWitness(world, index, engine);
      }
    }
  }

  *#start(world: World, index: number): Generator<World> {
    if (world.starts >= this.bounds.starts) return;
    for (let reachable = 1; reachable <= this.all; reachable++) {
      const choice = this.choose(world, reachable);
      if (choice.type !== "start") continue;
      const members = setOf(choice.members);
      const witnessed = choice.witness !== null;
      const leased = choice.leased && this.bounds.reads === true;
      const recording: Recording = {
        is: "recording",
        id: world.starts,
        seen: world.replicas.map(({ generation, engine }) => ({ generation, engine })),
        ...{ witnessBasis: null, joinsFrom: null },
        generation: choice.generation + 1,
        ...{ members, witnessed, todo: members | setOf(choice.fenced) | (witnessed ? this.witness : 0) },
        ...{ held: 0, joining: -1, resyncing: -1, open: [] },
        ...{ readers: 0, past: 0, pastSince: 0, waits: leased, leased },
      };
      yield change(world, index, recording, { starts: world.starts + 1 });
    }
  }

  /** The members of the record that an engine sends. */
  #names({ members, witnessed }: Pick<Running, "members" | "witnessed">): number {
    return witnessed && bits(members, this.bounds.replicas).length > 1 ? members | this.witness : members;
  }

  *#store(world: World, index: number, engine: Recording): Generator<World> {
    const { seen, generation, members, todo } = engine;
    // The witness first. A takeover fences those that are no members before those that are.
    const fenced = todo & ~members;
    const next = todo & this.witness || fenced || todo;
    for (const target of bits(next, this.bounds.replicas + 1)) {
      const replica = world.replicas[target];
      if (replica === undefined) continue;
      const isWitness = 1 << target === this.witness;
      const basis = seen?.[target] ?? (isWitness ? engine.witnessBasis : null);
      if (!this.#takes(replica, engine, basis)) {
        // A witness that nobody relies on yet does not end the engine.
        if (isWitness && seen === null && !engine.open.some((names) => (names & this.witness) !== 0))
          yield* this.#attempt(world, index, { witnessed: false });
        else yield change(world, index, { is: "off" });
        continue;
      }
      const leased = this.#leased(engine);
      const stored = { ...replica, generation, engine: engine.id, members: this.#names(engine), leased };
      const replicas = world.replicas.map((old, i) => (i === target ? stored : old));
      const open = isWitness || seen !== null ? engine.open : this.#opened(engine);
      const asked = { ...engine, open };
      const left = { ...asked, leased, todo: todo & ~(1 << target) };
      yield* this.#settle(change(world, index, left, { replicas }), index);
      // Not stored, or stored and the answer is lost. A takeover starts over.
      if (seen !== null) continue;
      for (const patch of [{ replicas }, {}]) {
        const failed = change(world, index, asked, patch);
        if (isWitness) yield* this.#attempt(failed, index, { witnessed: false });
        else yield* this.#without(failed, index, asked, target);
      }
    }
  }

  /** Whoever is left out may be read until it is known that this is stored. */
  #leased({ waits, open, members }: Recording): boolean {
    const { reads, without } = this.bounds;
    if (!reads) return false;
    if (without === "leased record") return waits;
    return waits || open.some((names) => (names & ~this.witness & ~members) !== 0);
  }

  #takes(replica: Replica, { id, generation }: Recording, basis: Basis | null): boolean {
    if (generation < replica.generation) return false;
    if (replica.engine === id) return true;
    if (basis === null || generation === replica.generation) return false;
    return replica.engine === basis.engine && replica.generation === basis.generation;
  }

  /** A serving engine leaves out who did not record, tries all again when it has nobody else, or has decided nothing. */
  *#without(world: World, index: number, engine: Recording, target: number): Generator<World> {
    const rest = engine.members & ~(1 << target);
    // One that is only becoming a member is nobody to go on with alone.
    const alone = rest === 0 || rest === 1 << engine.joining;
    for (const members of alone ? [engine.members] : [rest, engine.members]) {
      const joining = has(members, engine.joining) ? engine.joining : -1;
      yield* this.#attempt(world, index, { members, joining });
    }
    if (engine.joining < 0) yield this.#undecided(world, index, engine);
  }

  /** Another record of an engine that is recording one. */
  *#attempt(world: World, index: number, patch: Partial<Recording>): Generator<World> {
    const before = world.engines[index];
    if (before?.is !== "recording" || before.generation >= this.bounds.generations) return;
    yield* this.#send(world, index, { ...before, ...patch, generation: before.generation + 1 });
  }

  /** Nothing is sent that cannot come to count, nor what others were tried without. */
  *#send(world: World, index: number, engine: Recording, patch: Partial<World> = {}): Generator<World> {
    const { members, open } = engine;
    if (open.length > 1 && open.some((names) => (names & this.witness) !== 0))
      if (open.some((names) => (members & ~names) !== 0)) return;
    const todo = members | (engine.witnessed ? this.witness : 0);
    if (this.#opened(engine).every((names) => this.#suffices(names, todo)))
      yield change(world, index, { ...engine, todo }, patch);
    else yield this.#undecided(change(world, index, engine, patch), index, engine);
  }

  /** What may count once a copy was asked to store this record. */
  #opened(engine: Recording): number[] {
    return [...new Set([...engine.open, this.#names(engine)])].sort();
  }

  #suffices(names: number, stored: number): boolean {
    return canChange(this.#voters(names), (id) => has(stored, Number(id)));
  }

  /** The members stay what they were; what waits is not acknowledged. A replica that was to become one may be one by now. */
  #undecided(world: World, index: number, engine: Recording): World {
    const { open } = engine;
    // Who was tried without is not gone on with, where a witness may have been told so.
    const named = open.reduce((set, names) => set | names, 0);
    return change(world, index, {
      is: "serving",
      ...running(engine),
      members: named & ~this.witness,
      witnessed: (named & this.witness) !== 0,
    });
  }

  *#settle(world: World, index: number): Generator<World> {
    const engine = world.engines[index];
    if (engine?.is !== "recording" || engine.todo !== 0) {
      yield world;
      return;
    }
    const names = this.#names(engine);
    const witnessed = (names & this.witness) !== 0;
    const waits = engine.waits && this.bounds.without !== "wait";
    const serving: Serving = {
      is: "serving",
      ...running(engine),
      ...{ witnessed, waits, open: [names], readers: this.bounds.reads ? engine.members : 0 },
    };
    const settled = change(world, index, serving, { acknowledged: world.acknowledged | engine.held });
    yield waits ? changeOthers(settled, index, (other) => ({ ...other, pastSince: 0 })) : settled;
    const { joinsFrom, members } = engine;
    if (joinsFrom === null || engine.generation >= this.bounds.generations) return;
    if (bits(members, this.bounds.replicas).length < 2) return;
    const joined = { witnessed: true, witnessBasis: joinsFrom };
    yield* this.#send(settled, index, this.#recordOf(serving, joined));
  }

  /** Longer than a lease has passed since it was stored. */
  #waited(world: World, index: number, engine: Serving): World {
    const later = change(world, index, { ...engine, waits: false });
    return changeOthers(later, index, (other) => ({ ...other, past: other.pastSince }));
  }

  /** Whether an engine answers what it reads from that copy. */
  reads(world: World, engine: Engine, reader: number): boolean {
    if (engine.is === "off" || (engine.is === "serving" ? engine.waits : engine.seen !== null)) return false;
    if (!has(engine.readers, reader) || world.replicas[reader]?.engine !== engine.id) return false;
    if (this.bounds.without === "lease") return true;
    const said = haveRecord(world, engine) | engine.past;
    const asked = (id: string) => (has(said, Number(id)) ? 0 : -Infinity);
    return engine.open.every((names) => aloneSince(this.#voters(names), String(reader), asked) >= 0);
  }

  /** A record of an engine that serves. */
  #recordOf(engine: Serving, patch: Partial<Recording>): Recording {
    return {
      ...engine,
      ...{ is: "recording", seen: null, witnessBasis: null, generation: engine.generation + 1 },
      ...{ todo: 0, held: 0, joining: -1, joinsFrom: null },
      ...patch,
    };
  }

  *#write(world: World, index: number, engine: Serving): Generator<World> {
    const { replicas: count, writes, generations } = this.bounds;
    const number = bits(world.tried, writes).length;
    if (number >= writes) return;
    const write = 1 << number;
    const tried = world.tried | write;
    const { resyncing, members } = engine;
    const written = members | (resyncing < 0 ? 0 : 1 << resyncing);
    const willing = bits(written, count).filter((i) => world.replicas[i]?.engine === engine.id);
    for (let done = 0; done < 1 << count; done++) {
      if ((done & ~willing.reduce((set, i) => set | (1 << i), 0)) !== 0) continue;
      const replicas = world.replicas.map((old, i) =>
        has(done, i) ? { ...old, writes: old.writes | write } : old,
      );
      const missing = members & ~done;
      // One that is resynced and did not answer is let go without a record: none names it.
      const kept = has(done, resyncing) ? resyncing : -1;
      if (missing === 0) {
        const acknowledged = world.acknowledged | write;
        yield change(world, index, { ...engine, resyncing: kept }, { replicas, tried, acknowledged });
        continue;
      }
      // Those that did not answer are failed, in any combination that leaves a survivor: the last one is waited for.
      const survivors = members & ~missing;
      if (survivors === 0 || engine.generation >= generations) continue;
      const next = this.#recordOf(engine, { members: survivors, held: write, resyncing: kept });
      yield* this.#send(world, index, next, { replicas, tried });
    }
  }

  /** A replica that is no member comes back: it stores the present record, is written, made equal, and recorded. */
  *#resync(world: World, index: number, engine: Serving): Generator<World> {
    const { id, generation, members, resyncing } = engine;
    const { replicas: count, generations } = this.bounds;
    const own = (i: number) => world.replicas[i]?.engine === id;
    if (resyncing < 0) {
      for (const i of bits(~members, count)) {
        const replica = world.replicas[i];
        // One that has gone on by itself is declined.
        if (replica === undefined || replica.generation > generation) continue;
        const { leased } = engine;
        const admitted = { ...replica, generation, engine: id, members: this.#names(engine), leased };
        const replicas = world.replicas.map((old, j) => (i === j ? admitted : old));
        yield change(world, index, { ...engine, resyncing: i }, { replicas });
        yield change(world, index, engine, { replicas }); // stored, and the answer is lost
      }
      return;
    }
    yield change(world, index, { ...engine, resyncing: -1 });
    if (!own(resyncing) || generation >= generations) return;
    // All of it is copied from a member before it is named.
    for (const from of bits(members, count).filter(own)) {
      const { writes } = world.replicas[from] ?? { writes: 0 };
      const replicas = world.replicas.map((old, i) => (i === resyncing ? { ...old, writes } : old));
      const joined = { members: members | (1 << resyncing), joining: resyncing, resyncing: -1 };
      for (const patch of [{}, ...this.#witnessJoins(world, engine)]) {
        const next = this.#recordOf(engine, { ...joined, ...patch });
        yield* this.#send(world, index, next, { replicas });
      }
    }
  }

  /** Records the members anew on somebody's order: as they are (a replica is about to be rebuilt), or without some of them. */
  *#order(world: World, index: number, engine: Serving): Generator<World> {
    if (engine.generation >= this.bounds.generations) return;
    const orders = world.orders + 1;
    const core = engine.open.reduce((set, names) => set & names, engine.members);
    for (let members = 1; members <= engine.members; members++) {
      if ((members & ~engine.members) !== 0) continue;
      // What is not settled is, as soon as who is needed is there.
      const settles =
        (engine.open.length > 1 || engine.leased) && (members === engine.members || members === core);
      if (!settles && orders > this.bounds.orders) continue;
      const next = this.#recordOf(engine, { members });
      yield* this.#send(world, index, next, settles ? {} : { orders });
    }
  }

  /** The witness is given up when it has not answered for a while, and asked to join when it does. */
  *#changeWitness(world: World, index: number, engine: Serving): Generator<World> {
    const { witness, bounds } = this;
    if (engine.generation >= bounds.generations) return;
    if (witness !== 0 && engine.witnessed)
      yield* this.#send(world, index, this.#recordOf(engine, { witnessed: false }));
    if (engine.open.length > 1 || bits(engine.members, bounds.replicas).length < 2) return;
    for (const patch of this.#witnessJoins(world, engine))
      yield* this.#send(world, index, this.#recordOf(engine, patch));
  }

  /** What a record is like that the witness joins after. All copies store it, later than what the witness has: nobody has taken over who
   * stored that. */
  #witnessJoins(world: World, engine: Serving): Partial<Recording>[] {
    const basis = world.replicas[this.bounds.replicas];
    if (basis === undefined || engine.witnessed) return [];
    const generation = Math.max(engine.generation, basis.generation) + 1;
    if (generation > this.bounds.generations) return [];
    return [{ generation, joinsFrom: { generation: basis.generation, engine: basis.engine } }];
  }
}

export function setOf(members: readonly { facts: ReplicaFacts }[]): number {
  return members.reduce((set, { facts }) => set | (1 << Number(facts.replicaId)), 0);
}

function running(engine: Running): Running {
  const { id, generation, members, witnessed, open, readers } = engine;
  const { past, pastSince, waits, leased, resyncing } = engine;
  return {
    id,
    generation,
    members,
    witnessed,
    open,
    readers,
    past,
    pastSince,
    waits,
    leased,
    resyncing,
  };
}

/** A copy of the world with one engine and possibly one replica changed. */
function change(world: World, index: number, engine: Engine, patch: Partial<World> = {}): World {
  return { ...world, ...patch, engines: world.engines.map((old, i) => (i === index ? engine : old)) };
}
