/**
 * The simulated volume and the C++ one are asked the same, before replicas that are asked and answer the same, and say the same: so
 * that the twin does not drift. After each step all has to come to rest, which makes an order of what either says.
 */
import { isDeepStrictEqual } from "node:util";
import { setTimeout } from "node:timers/promises";
import t, { type Test } from "tap";
import {
  Volume,
  type NativeError,
  type SlotMode,
  type StatusName,
  type VolumeEvent,
  type VolumeOptions,
} from "../../native/index.js";
import type { WireStatus } from "../../proto/status.js";
import { beginNetwork } from "./network.js";
import { Random } from "./random.js";
import { listenForReal, listenSimulated, REFUSALS, ScriptedReplica } from "./scripted-replica.js";
import { bytesOf, BLOCK_BYTES, SECTOR_BYTES, sectorsOf } from "./sectors.js";
import { beginSimulation, inTurn, Process, simulation } from "./simulation.js";
import { SimVolume } from "./volume.js";

const SIZE = 4 << 20;
const SLOTS = 3;
const STEPS = 250;
const SEEDS = 20;
/** until a replica has hung in a plan of chance: never */
const NEVER_MS = 3_000_000;
/** ms in which all that follows from a step has happened in the simulated network */
const REST_MS = 30;
/** ms for the real one, on a machine that has much else to do */
const PATIENCE_MS = 20_000;

type Shared = Pick<Volume, keyof Volume & keyof SimVolume>;

interface Said {
  /** two lists: of what comes to JavaScript at once, promises are kept last */
  events: string[];
  ends: string[];
  streams: string[][][];
  state: unknown;
}

function told(result: unknown): string {
  if (result === undefined) return "";
  return Buffer.isBuffer(result) ? sectorsOf(result).join() : JSON.stringify(result);
}

/** One of the two, with its replicas. */
abstract class Side {
  protected volume!: Shared;
  private events: string[] = [];
  private ends: string[] = [];
  private calls = 0;
  private closed = false;
  readonly replicas = Array.from({ length: SLOTS }, () => new ScriptedReplica(SIZE));

  protected abstract run<T>(work: () => T): Promise<T>;
  protected abstract address(slot: number): [host: string, port: number];
  abstract close(): Promise<void>;

  protected readonly onEvent = (event: VolumeEvent): void => {
    const { type, slot, op, offset, length, status } = { slot: -1, op: "", offset: 0, length: 0, status: "", ...event }; // prettier-ignore
    this.events.push(`${type} ${slot} ${op} ${offset}+${length} ${status}`);
  };

  /** What was said since it was last forgotten. */
  get said(): Said {
    const { events, replicas, state } = this;
    return {
      events: [...events],
      ends: this.endsInOrder,
      streams: replicas.map(({ heard }) => heard),
      state,
    };
  }
  /** What a close ends, it ends in any order, and what waited for its range as if it had been begun. */
  private get endsInOrder(): string[] {
    if (!this.closed) return [...this.ends];
    return this.ends.map((end) => end.replace(/: (ABORTED|DISCONNECTED).*/, ": ended")).sort();
  }
  forget(): void {
    this.events = [];
    this.ends = [];
    for (const replica of this.replicas) replica.forget();
  }

  private get state(): unknown {
    try {
      const { reads, writes, flushes, unmaps, readBytes, writtenBytes, failed, inFlight, differing, slots } =
        this.volume.stats();
      const seen = slots
        .slice(0, SLOTS)
        .map(({ connected, mode, inFlight, held, timedOut, crcErrors }) => ({ connected, mode, inFlight, held, timedOut, crcErrors })); // prettier-ignore
      return { reads, writes, flushes, unmaps, readBytes, writtenBytes, failed, inFlight, differing, seen };
    } catch (error) {
      return (error as NativeError).code;
    }
  }

  /** Does it; how each call ends is told whenever it does. */
  perform(step: Step): Promise<void> {
    return this.run(() => {
      switch (step.do) {
        case "calls":
          for (const call of step.calls) this.call(call);
          return;
        case "accept":
          this.replica(step.slot).accept();
          return;
        case "reject":
          this.replica(step.slot).reject(step.status);
          return;
        case "cut":
          this.replica(step.slot).cut();
          return;
        case "answer":
          this.replica(step.slot).answer(step.nth, step.status, step.damaged);
          return;
        case "pass":
          return;
        default:
          step satisfies never;
      }
    });
  }

  private replica(slot: number): ScriptedReplica {
    return this.replicas[slot] as ScriptedReplica;
  }

  private call(call: Call): void {
    const number = ++this.calls;
    this.ask(call).then(
      (result) => this.ends.push(`${number} ${call.do}: ${told(result)}`),
      (error: unknown) => {
        const { code, slot = "" } = error as NativeError;
        this.ends.push(`${number} ${call.do}: ${code} ${slot}`);
      },
    );
  }

  private ask(call: Call): Promise<unknown> {
    const { volume } = this;
    switch (call.do) {
      case "read":
        return volume.read(call.slot, call.offset, call.length);
      case "write": {
        const data = bytesOf(new Int32Array(call.length / SECTOR_BYTES).fill(call.value));
        return volume.write(call.slot, call.offset, data, { fua: call.fua });
      }
      case "unmap":
      case "writeZeroes":
      case "extents":
        return volume[call.do](call.slot, call.offset, call.length);
      case "flush":
        return volume.flush(call.slot);
      case "copy":
        return volume.copy(call.from, call.to, call.offset, call.length);
      case "settle":
      case "quiesce":
      case "resume":
        return volume[call.do]();
      case "close":
        this.closed = true;
        return volume.close();
      case "connect": {
        const hello = { volume: "v", replicaId: `r${call.slot}`, engineId: "e", generation: call.generation };
        return volume.connect(call.slot, ...this.address(call.slot), hello);
      }
      case "setMode":
        return volume.setMode(call.slot, call.mode);
      case "failHeld":
        return volume.failHeld(call.slot, call.status);
      case "refuse":
        return volume.refuse(call.status);
      case "grow":
        return volume.grow(call.size);
      case "watchUnmaps":
        return volume.watchUnmaps(call.on);
      case "holdReads":
        return volume.holdReads(call.slot, call.ranges);
      case "leaseReads": {
        const until = { over: 0, good: null, long: volume.clock() + NEVER_MS };
        return volume.leaseReads(until[call.until]);
      }
      default:
        return call satisfies never;
    }
  }
}

class NativeSide extends Side {
  private servers: { port: number; close: () => void }[] = [];

  static async begin(options: VolumeOptions): Promise<NativeSide> {
    const side = new NativeSide();
    side.servers = await Promise.all(side.replicas.map(listenForReal));
    side.volume = new Volume(options, side.onEvent);
    return side;
  }

  protected run<T>(work: () => T): Promise<T> {
    return Promise.resolve(work());
  }
  protected address(slot: number): [string, number] {
    return ["127.0.0.1", this.servers[slot]?.port ?? 0];
  }

  /** Until it has said so much, or it is clear that it does not. */
  async rest(expected: Said): Promise<void> {
    const deadline = Date.now() + PATIENCE_MS;
    for (let delay = 0; !isDeepStrictEqual(this.said, expected) && Date.now() < deadline; delay++)
      await setTimeout(Math.min(delay, 20));
  }

  async close(): Promise<void> {
    await this.volume.close();
    for (const server of this.servers) server.close();
  }
}

class SimulatedSide extends Side {
  private readonly engine = new Process("engine", "e");

  static async begin(options: VolumeOptions, seed: number): Promise<SimulatedSide> {
    beginSimulation(seed);
    const network = beginNetwork();
    const side = new SimulatedSide();
    for (const [slot, replica] of side.replicas.entries()) {
      const name = `r${slot}`;
      network.hosts.set(name, { name, up: true, slowness: 1 });
      listenSimulated(replica, { network, process: new Process(name, name), port: 1 });
    }
    await side.run(() => {
      side.volume = new SimVolume(options, side.onEvent);
    });
    return side;
  }

  protected run<T>(work: () => T): Promise<T> {
    const result = this.engine.run(work);
    return inTurn(() => simulation().run(until(result))).then(() => result);
  }
  protected address(slot: number): [string, number] {
    return [`r${slot}`, 1];
  }

  async rest(ms: number): Promise<void> {
    const end = simulation().now + ms;
    let over = false;
    simulation().after(ms, null, () => (over = true));
    await inTurn(() => simulation().run(() => over || simulation().now > end));
  }

  async close(): Promise<void> {
    await this.run(() => this.volume.close());
  }
}

function until(promise: Promise<unknown>): () => boolean {
  let ended = false;
  const end = () => (ended = true);
  promise.then(end, end);
  return () => ended;
}

// --------------------------------------------------------------------------------------------- what is done

type Range = { slot: number | null; offset: number; length: number };
type Call =
  | ({ do: "read" | "unmap" | "writeZeroes" | "extents" } & Range)
  | ({ do: "write"; value: number; fua: boolean } & Range)
  | { do: "flush"; slot: number | null }
  | { do: "copy"; from: number; to: number; offset: number; length: number }
  | { do: "settle" | "quiesce" | "resume" | "close" }
  | { do: "connect"; slot: number; generation: number }
  | { do: "setMode"; slot: number; mode: SlotMode }
  | { do: "failHeld"; slot: number | null; status: StatusName }
  | { do: "refuse"; status: StatusName | null }
  | { do: "grow"; size: number }
  | { do: "watchUnmaps"; on: boolean }
  | { do: "holdReads"; slot: number; ranges: number[] }
  | { do: "leaseReads"; until: "over" | "good" | "long" };
type Step =
  | { do: "calls"; calls: Call[] }
  | { do: "accept" | "cut"; slot: number }
  | { do: "reject"; slot: number; status: WireStatus }
  | { do: "answer"; slot: number; nth: number; status: WireStatus; damaged: boolean }
  /** so long that whoever hangs has hung for too long */
  | { do: "pass" };

const OPERATIONS = [
  ...["read", "read", "read", "write", "write", "write", "write", "unmap", "writeZeroes", "flush", "copy"],
  ...["extents", "settle"],
] as Call["do"][];
const CONTROLS = [
  ...["setMode", "setMode", "setMode", "failHeld", "failHeld", "failHeld", "refuse", "grow", "watchUnmaps"],
  ...["holdReads", "leaseReads", "quiesce", "resume", "resume"],
] as Call["do"][];

const UNHINDERED: Call[] = [
  { do: "refuse", status: null },
  { do: "leaseReads", until: "good" },
  { do: "watchUnmaps", on: false },
  ...Array.from({ length: SLOTS }, (_, slot): Call => ({ do: "holdReads", slot, ranges: [] })),
  { do: "resume" },
  { do: "resume" },
];

/** Steps by chance; what makes sense depends on what the replicas were asked. */
class Plan {
  private value = 0;
  private size = SIZE;

  constructor(
    private readonly random: Random,
    private readonly replicas: readonly ScriptedReplica[],
  ) {}

  next(): Step {
    const { random, replicas } = this;
    const slot = random.below(SLOTS);
    const replica = replicas[slot] as ScriptedReplica;
    if (replica.isAsked && random.chance(0.7))
      return random.chance(0.85)
        ? { do: "accept", slot }
        : { do: "reject", slot, status: random.pick(REFUSALS) };
    // The more there is to be answered, the likelier it is.
    if (random.chance(Math.min(0.85, replica.unanswered / 4))) {
      const nth = random.chance(0.7) ? 0 : random.below(replica.unanswered);
      const status = random.chance(0.88) ? "OK" : random.pick(REFUSALS);
      return { do: "answer", slot, nth, status, damaged: random.chance(0.04) };
    }
    if (replica.isOpen && random.chance(0.05)) return { do: "cut", slot };
    if (!replica.isOpen && random.chance(0.4))
      return this.calls({ do: "connect", slot, generation: ++this.value });
    // Else most would be held up sooner or later.
    if (random.chance(0.06)) return this.calls(...UNHINDERED);
    if (random.chance(0.2)) return this.calls(this.call(random.pick(CONTROLS)));
    const together = random.chance(0.3) ? 2 + random.below(4) : 1;
    return this.calls(...Array.from({ length: together }, () => this.call(random.pick(OPERATIONS))));
  }

  private calls(...calls: Call[]): Step {
    return { do: "calls", calls };
  }

  private call(kind: Call["do"]): Call {
    const { random } = this;
    const slot = random.below(SLOTS);
    const some = random.chance(0.15) ? slot : null;
    const unit = random.chance(0.7) ? BLOCK_BYTES : SECTOR_BYTES;
    // A few places, so that they meet; at times past the end, and at times nothing.
    const offset = random.pick([0, 0, 0, 1 << 20, SIZE - 8192]) + random.below(4) * unit;
    const range = { slot: some, offset, length: random.below(6) * unit };
    switch (kind) {
      case "read":
      case "unmap":
      case "writeZeroes":
      case "extents":
        return { do: kind, ...range };
      case "write":
        return { do: kind, ...range, value: ++this.value, fua: random.chance(0.3) };
      case "flush":
        return { do: kind, slot: some };
      case "copy": {
        const to = (slot + 1 + random.below(SLOTS - 1)) % SLOTS;
        // At times longer than one payload.
        return { do: kind, from: slot, to, offset, length: random.chance(0.2) ? 5 << 18 : range.length };
      }
      case "setMode":
        return { do: kind, slot, mode: random.pick(["RW", "RW", "RW", "WO", "OFF"] as const) };
      case "failHeld":
        return { do: kind, slot: random.chance(0.3) ? null : slot, status: random.pick(["IO_ERROR", "NO_SPACE"] as const) }; // prettier-ignore
      case "refuse":
        return { do: kind, status: random.chance(0.3) ? "NOT_OPEN" : null };
      case "grow":
        this.size += random.chance(0.3) ? BLOCK_BYTES : 0;
        return { do: kind, size: this.size };
      case "watchUnmaps":
        return { do: kind, on: random.chance(0.5) };
      case "holdReads":
        return { do: kind, slot, ranges: random.pick([[0, BLOCK_BYTES], [0, SECTOR_BYTES, BLOCK_BYTES, 2 * BLOCK_BYTES, 1 << 20, BLOCK_BYTES]]) }; // prettier-ignore
      case "leaseReads":
        return { do: kind, until: random.pick(["over", "good", "long"] as const) };
      case "connect":
        return { do: kind, slot, generation: ++this.value };
      case "settle":
      case "quiesce":
      case "resume":
      case "close":
        return { do: kind };
      default:
        return kind satisfies never;
    }
  }
}

/** Both, side by side. */
class Pair {
  private steps = 0;

  private constructor(
    private readonly test: Test,
    readonly simulated: SimulatedSide,
    private readonly native: NativeSide,
  ) {}

  static async begin(test: Test, replicaTimeoutMs: number, seed: number): Promise<Pair> {
    const options = { size: SIZE, replicaTimeoutMs };
    const pair = new Pair(test, await SimulatedSide.begin(options, seed), await NativeSide.begin(options));
    test.teardown(() => pair.native.close());
    return pair;
  }

  /** @param passesMs simulated, until all is at rest
   * @returns whether both said the same */
  async step(step: Step, passesMs = REST_MS): Promise<boolean> {
    const { simulated, native } = this;
    this.steps++;
    await simulated.perform(step);
    await simulated.rest(passesMs);
    const { said } = simulated;
    await native.perform(step);
    await native.rest(said);
    if (!isDeepStrictEqual(native.said, said)) {
      this.test.same(
        said,
        native.said,
        `simulated and native at step ${this.steps}: ${JSON.stringify(step)}`,
      );
      return false;
    }
    for (const side of [simulated, native]) side.forget();
    return true;
  }

  async all(steps: readonly Step[]): Promise<boolean> {
    for (const step of steps) if (!(await this.step(step))) return false;
    return true;
  }
}

function attach(...slots: number[]): Step[] {
  return slots.flatMap((slot): Step[] => [
    { do: "calls", calls: [{ do: "connect", slot, generation: 1 }] },
    { do: "accept", slot },
    { do: "calls", calls: [{ do: "setMode", slot, mode: "RW" }] },
  ]);
}

for (let seed = 1; seed <= SEEDS; seed++) {
  t.test(`simulated and native volumes say the same, seed ${seed}`, async (t) => {
    const pair = await Pair.begin(t, NEVER_MS, seed);
    const random = new Random(seed);
    const plan = new Plan(random, pair.simulated.replicas);
    if (!(await pair.all(attach(0, 1)))) return;
    for (let number = 0; number < STEPS; number++) if (!(await pair.step(plan.next()))) return;
    const closed = await pair.all([
      { do: "calls", calls: [{ do: "close" }] },
      { do: "calls", calls: [{ do: "flush", slot: null }, { do: "resume" }, { do: "close" }] },
    ]);
    if (closed) t.pass(`${STEPS} steps`);
  });
}

t.test("simulated and native volumes say the same of replicas that hang", async (t) => {
  const timeoutMs = 2000;
  const pair = await Pair.begin(t, timeoutMs, 1);
  const read: Step = { do: "calls", calls: [{ do: "read", slot: null, offset: 0, length: BLOCK_BYTES }] };
  const write: Step = { do: "calls", calls: [{ do: "write", slot: null, offset: 0, length: BLOCK_BYTES, value: 1, fua: false }] }; // prettier-ignore
  const answer = (slot: number, nth: number): Step => ({
    do: "answer",
    slot,
    nth,
    status: "OK",
    damaged: false,
  });
  const hang = () => pair.step({ do: "pass" }, 2 * timeoutMs);
  const done =
    (await pair.all([...attach(0, 1), read])) &&
    (await hang()) &&
    // Read where it is answered; told of once, until something is answered.
    (await pair.all([read, answer(1, 0), write, answer(1, 0), answer(0, 0)])) &&
    (await hang()) &&
    (await pair.all([answer(0, 0), { do: "calls", calls: [{ do: "connect", slot: 2, generation: 1 }] }])) &&
    // HELLO is not answered.
    (await hang());
  t.ok(done);
});
