/** What happens to a world, and when: made from a seed, before anything runs, so that steps can be left out. */
import { chainStep, isChainStep, performChain, type ChainStep } from "./chain-steps.js";
import { DISK_OPS, type DiskOp } from "./disk.js";
import { Random } from "./random.js";
import { VOLUME_BYTES, type World } from "./world.js";
import { SECTOR_BYTES } from "./sectors.js";
import type { Machine } from "./machine.js";

export type Step = { at: number } & (
  | { do: "write" | "unmap" | "writeZeroes"; sector: number; count: number; fua: boolean; former: boolean }
  | { do: "read"; sector: number; count: number; former: boolean }
  | { do: "flush"; ms: number }
  | { do: "restartInOrder" | "cutAll"; ms: number }
  | { do: "killEngine" | "hangEngine"; ms: number }
  | { do: "secondEngine"; host: number }
  | {
      do: "killReplica" | "hangReplica" | "cutPower" | "slowDisk" | "slowNetwork" | "fullDisk";
      machine: number;
      ms: number;
      amount: number;
    }
  /** absent: at everything */
  | { do: "failDisk"; machine: number; ms: number; amount: number; of?: DiskOp[] }
  | { do: "startReplica"; machine: number }
  | { do: "block"; from: number; to: number; both: boolean; ms: number }
  | { do: "break"; a: number; b: number }
  /** the engine and a replica cannot reach anybody else, nor the other way round */
  | { do: "cutOff"; machine: number; ms: number }
  | { do: "emptyWitness" }
  /** a copy's or the witness's directory is put back to what it was `ms` before, where that can be known of it */
  | { do: "backUp"; machine: number; ms: number }
  | { do: "damage"; ms: number; amount: number }
  /** calls of engines come twice */
  | { do: "repeatCalls"; ms: number; amount: number }
  | { do: "jumpClock"; machine: number; ms: number }
  | ChainStep
);

/** What dies when so many events have happened. */
export interface Crash {
  event: number;
  victim: "engine" | "m1" | "m2" | "w1" | "all";
}

export interface Plan {
  seed: number;
  replicas: number;
  engineAlone: boolean;
  /** the volume has to become whole without anybody's help */
  unattended?: true;
  /** driven as Longhorn drives it, with snapshots and all that is done with them */
  managed?: true;
  /** disks rot */
  rots?: true;
  /** beside the replicas there is a witness, or three voters */
  witness?: "one" | "voters";
  crash?: Crash;
  steps: Step[];
}

/** ms that faults go on for. */
const CHAOS_MS = 40_000;
/** Longer than any plan. */
const UNTIL_HEALED_MS = 3_600_000;
/** When the first step is made: the volume is served by then. */
const BEGIN_MS = 500;

const MANAGED = 0x5a5a5a5a;
const RESTORES = 0x33cc33cc;
const REPEATS = 0x0f0f0f0f;
const RETURNS: ReadonlySet<string> = new Set(["killReplica", "hangReplica", "cutPower", "block", "fullDisk"]);
const SECTORS = VOLUME_BYTES / SECTOR_BYTES;

/** The same world driven as Longhorn drives it, with what is done to the chain. */
export function managedPlanOf(seed: number): Plan {
  const random = new Random(seed ^ MANAGED);
  const plan = { ...planOf(seed), managed: true as const };
  const steps = [...plan.steps];
  const actions = 3 + random.below(20);
  for (let i = 0; i < actions; i++) {
    const at = random.between(BEGIN_MS, CHAOS_MS);
    steps.push(chainStep(at, random, plan.replicas));
    if (random.chance(0.3)) steps.push(chainStep(at + random.between(0, 500), random, plan.replicas));
  }
  // And while replicas come back.
  for (const step of plan.steps) {
    if (!RETURNS.has(step.do) || !("ms" in step) || !random.chance(0.5)) continue;
    for (let at = step.at + step.ms; random.chance(0.7);) {
      at += random.between(0, 300);
      steps.push(random.chance(0.7) ? { at, do: "snapshot" } : chainStep(at, random, plan.replicas));
    }
  }
  steps.sort((a, b) => a.at - b.at);
  return { ...plan, steps };
}

export function planOf(seed: number): Plan {
  const random = new Random(seed);
  const replicas = random.chance(0.7) ? 2 : 3;
  const engineAlone = random.chance(0.6);
  const steps: Step[] = [];
  const hot = Array.from({ length: 1 + random.below(6) }, () => random.below(SECTORS - 64));
  const place = () => {
    const sector = random.pick(hot) + random.below(24);
    const count = random.chance(0.05) ? 1 + random.below(600) : 1 + random.below(24);
    return { sector, count: Math.min(count, SECTORS - sector) };
  };
  // Bursts of I/O, with pauses in which everything may be settled.
  for (let at = BEGIN_MS; at < CHAOS_MS;) {
    const burst = 1 + random.below(30);
    for (let i = 0; i < burst; i++) {
      steps.push(ioStep(at, random, place()));
      at += random.chance(0.5) ? random.between(0, 2) : random.between(0, 40);
    }
    at += random.chance(0.2) ? random.between(2_000, 9_000) : random.between(50, 1_500);
  }
  const kinds = random.chance(0.3) ? KINDS : Array.from({ length: 4 }, () => random.pick(KINDS));
  const faults = 1 + random.below(16);
  for (let i = 0; i < faults; i++) {
    const at = random.between(BEGIN_MS, CHAOS_MS);
    // Some close together: what is rare alone happens to what is under way.
    steps.push(faultStep(at, random, random.pick(kinds), replicas));
    if (random.chance(0.5))
      steps.push(faultStep(at + random.between(0, 300), random, random.pick(kinds), replicas));
  }
  const repeats = new Random(seed ^ REPEATS);
  if (repeats.chance(0.3)) {
    const at = repeats.between(BEGIN_MS, CHAOS_MS);
    steps.push({
      at,
      do: "repeatCalls",
      ms: repeats.between(2_000, CHAOS_MS),
      amount: repeats.between(0.05, 0.5),
    });
  }
  steps.sort((a, b) => a.at - b.at);
  return { seed, replicas, engineAlone, steps };
}

/** Beside all else, copies and the witness are put back in time. @param share of the plans in which that happens */
export function withRestores(plan: Plan, share = 0.2): Plan {
  const random = new Random(plan.seed ^ RESTORES);
  if (!random.chance(share)) return plan;
  const machines = Array.from({ length: plan.replicas }, (_, index) => index);
  if (plan.witness === "one") machines.push(plan.replicas + 1);
  const steps = Array.from({ length: 1 + random.below(4) }, (): Step => {
    const machine = random.pick(machines);
    return { at: random.between(BEGIN_MS, CHAOS_MS), do: "backUp", machine, ms: random.between(500, 20_000) };
  });
  return { ...plan, steps: [...plan.steps, ...steps].sort((a, b) => a.at - b.at) };
}

function ioStep(at: number, random: Random, place: { sector: number; count: number }): Step {
  const former = random.chance(0.1);
  const fua = random.chance(0.1);
  const kind = random.next();
  if (kind < 0.55) return { at, do: "write", ...place, fua, former };
  if (kind < 0.62)
    return { at, do: random.chance(0.5) ? "unmap" : "writeZeroes", ...place, fua: false, former };
  if (kind < 0.85) return { at, do: "read", ...place, former };
  return { at, do: "flush", ms: 0 };
}

const KINDS = [
  "killReplica",
  "killReplica",
  "killEngine",
  "killEngine",
  "hangReplica",
  "hangEngine",
  "cutPower",
  "cutPower",
  "cutAll",
  "slowDisk",
  "slowNetwork",
  "failDisk",
  "failDisk",
  "fullDisk",
  "block",
  "block",
  "break",
  "break",
  "damage",
  "jumpClock",
  "secondEngine",
  "restartInOrder",
] as const;

export function faultStep(at: number, random: Random, kind: (typeof KINDS)[number], replicas: number): Step {
  const ms = random.pick([20, 300, 2_000, 7_000, 15_000]) * random.between(0.5, 1.5);
  const machine = random.below(replicas);
  switch (kind) {
    case "cutAll":
    case "restartInOrder":
      return { at, do: kind, ms };
    case "killEngine":
    case "hangEngine":
      return { at, do: kind, ms: Math.min(ms, 12_000) };
    case "secondEngine":
      return { at, do: kind, host: random.below(2) };
    case "block":
      return {
        at,
        do: kind,
        from: random.below(replicas + 1),
        to: random.below(replicas + 1),
        both: random.chance(0.5),
        ms,
      };
    case "break":
      return { at, do: kind, a: random.below(replicas), b: replicas };
    case "damage":
      return { at, do: kind, ms: Math.min(ms, 1_000), amount: random.between(0.05, 0.5) };
    case "jumpClock":
      return { at, do: kind, machine: random.below(replicas + 1), ms: random.between(-100_000, 100_000) };
    case "slowDisk":
    case "slowNetwork":
      return { at, do: kind, machine, ms, amount: random.pick([10, 100, 1_000]) };
    case "failDisk":
      return {
        ...{ at, do: kind, machine, ms: random.pick([Math.min(ms, 1_000), ms, UNTIL_HEALED_MS]) },
        ...{ amount: random.pick([0.02, 0.5, 1]) },
        ...(random.chance(0.4) ? {} : { of: [random.pick(DISK_OPS), random.pick(DISK_OPS)] }),
      };
    case "fullDisk":
      return { at, do: kind, machine, ms, amount: random.below(8) };
    default:
      return { at, do: kind, machine, ms, amount: 0 };
  }
}

/** From one machine to another. */
type Way = [from: string, to: string];

function cut({ simulation, network }: World, ways: Way[], ms: number): void {
  for (const [from, to] of ways) network.block(from, to);
  simulation.after(ms, null, () => {
    for (const [from, to] of ways) network.unblock(from, to);
  });
}

const CRASH_MS = 400;

export function crash(world: World, { victim }: Crash): void {
  world.trace(`CRASH of ${victim}`);
  if (victim === "engine") world.killEngine(CRASH_MS);
  else if (victim === "all") for (const one of world.machines) world.cutPower(one, CRASH_MS);
  else for (const one of world.machines) if (one.name === victim) world.cutPower(one, CRASH_MS);
}

/** Makes one step. */
export function perform(world: World, step: Step): void {
  if (isChainStep(step)) {
    performChain(world, step);
    return;
  }
  const { simulation, network } = world;
  const later = (ms: number, work: () => void) => simulation.after(ms, null, work);
  const machine = (index: number): Machine => world.machine(index);
  const stopped = (process: { stop: () => void } | undefined, resume: () => void, ms: number) => {
    process?.stop();
    later(ms, resume);
  };
  switch (step.do) {
    case "write":
    case "unmap":
    case "writeZeroes": {
      world.write(step.sector, step.count, step.do, step.fua, world.initiator(step.former));
      return;
    }
    case "read": {
      world.read(step.sector, step.count, world.initiator(step.former));
      return;
    }
    case "flush": {
      world.flush();
      return;
    }
    default:
      world.trace(`FAULT ${JSON.stringify(step)}`);
  }
  switch (step.do) {
    case "killReplica": {
      machine(step.machine).killReplica(step.ms);
      return;
    }
    case "startReplica": {
      machine(step.machine).startReplica();
      return;
    }
    case "killEngine": {
      world.killEngine(step.ms);
      return;
    }
    case "hangReplica": {
      const process = machine(step.machine).replica?.process;
      stopped(process, () => process !== undefined && simulation.resume(process), step.ms);
      return;
    }
    case "hangEngine": {
      const process = world.engine?.process;
      stopped(process, () => process !== undefined && simulation.resume(process), step.ms);
      return;
    }
    case "cutPower": {
      world.cutPower(machine(step.machine), step.ms);
      return;
    }
    case "cutAll":
      for (const one of world.machines) world.cutPower(one, step.ms);
      return;
    case "restartInOrder": {
      world.restartInOrder();
      return;
    }
    case "secondEngine": {
      world.startEngine(world.hosts[step.host] as Machine);
      return;
    }
    case "slowDisk": {
      const { disk } = machine(step.machine);
      disk.slowness = step.amount;
      later(step.ms, () => (disk.slowness = 1));
      return;
    }
    case "slowNetwork": {
      const host = network.hosts.get(machine(step.machine).name);
      if (host === undefined) return;
      host.slowness = step.amount;
      later(step.ms, () => (host.slowness = 1));
      return;
    }
    case "failDisk": {
      const { disk } = machine(step.machine);
      const failing = { chance: step.amount, at: new Set(step.of ?? DISK_OPS) };
      disk.failing = failing;
      later(step.ms, () => {
        if (disk.failing === failing) disk.failing = null;
      });
      return;
    }
    case "fullDisk": {
      const { disk } = machine(step.machine);
      disk.freeBlocks = step.amount;
      later(step.ms, () => (disk.freeBlocks = Infinity));
      return;
    }
    case "block": {
      const [from, to] = [machine(step.from), machine(step.to)];
      if (from === to) return;
      const ways = world
        .alongside(from)
        .flatMap((a) => world.alongside(to).map((b): Way => [a.name, b.name]));
      cut(world, step.both ? ways.flatMap(([a, b]): Way[] => [[a, b], [b, a]]) : ways, step.ms); // prettier-ignore
      return;
    }
    case "cutOff": {
      const both = [machine(world.replicas.length), machine(step.machine)];
      const here = new Set(both.flatMap((one) => world.alongside(one)).map(({ name }) => name));
      const names = world.machines.map(({ name }) => name);
      const isAcross = ([from, to]: Way) => here.has(from) !== here.has(to);
      cut(world, names.flatMap((from) => names.map((to): Way => [from, to])).filter(isAcross), step.ms);
      return;
    }
    case "emptyWitness": {
      world.witnesses[0]?.emptyDirectory();
      return;
    }
    case "backUp": {
      world.restoreLater(machine(step.machine), step.ms);
      return;
    }
    case "break": {
      network.breakBetween(machine(step.a).name, machine(step.b).name);
      return;
    }
    case "damage":
      network.damage = step.amount;
      later(step.ms, () => (network.damage = 0));
      return;
    case "repeatCalls":
      network.repetition = step.amount;
      later(step.ms, () => (network.repetition = 0));
      return;
    case "jumpClock":
      machine(step.machine).jumpClock(step.ms);
      return;
    default:
      step satisfies never;
  }
}
