/**
 * The register that a witness' voters keep, by itself: engines on several machines change and read it at the same time, while voters and
 * engines die, hang, lose their power and each other. What was decided is never lost, and nothing follows twice from the same.
 */
import { witnessLink } from "../../engine/voters-link.js";
import type { MemberRecord, ReplicaFacts } from "../../proto/control.js";
import { sleep } from "./clock.js";
import { setDisks } from "./disk.js";
import { forgetDescriptors } from "./fs.js";
import { Machine } from "./machine.js";
import { Violation } from "./model.js";
import { forgetConnections } from "./net.js";
import { beginNetwork, type Network } from "./network.js";
import { beginSimulation, inTurn, type Process, type Simulation } from "./simulation.js";
import { VOTER_NAMES, WitnessMachine } from "./witness-machine.js";
import { BARE_RECORD } from "../../engine/testing/bare-record.js";

const CHAOS_MS = 6_000;
const FAULTS_MAX = 12;
const ENGINES = ["e1", "e2", "e3"];
const VOLUME = "vol";

/** A record that somebody tried to store, and what it was to follow from. */
interface Tried {
  name: string;
  generation: number;
  before: Tried | null;
}

export interface RegisterOutcome {
  failure: Error | null;
  /** records that were acknowledged */
  stored: number;
}

export function checkRegister(seed: number): Promise<RegisterOutcome> {
  return inTurn(() => {
    const run = new RegisterRun(seed);
    try {
      run.play();
      return { failure: null, stored: run.stored.length };
    } catch (error) {
      return { failure: error as Error, stored: run.stored.length };
    }
  });
}

class RegisterRun {
  readonly #simulation: Simulation;
  readonly #network: Network;
  readonly #voters: Machine[];
  readonly #engines: Machine[];
  readonly #tried = new Map<string, Tried>();
  /** that were acknowledged, in that order */
  readonly stored: Tried[] = [];

  constructor(seed: number) {
    this.#simulation = beginSimulation(seed);
    this.#network = beginNetwork();
    const silent = () => undefined;
    const log = { trace: silent, debug: silent, info: silent, warn: silent, error: silent };
    const hosting = { volume: VOLUME, size: 0, managed: false, log: () => log as never };
    this.#voters = VOTER_NAMES.map((name) => new WitnessMachine(name, hosting));
    this.#engines = ENGINES.map((name) => new Machine(name, hosting));
    forgetDescriptors();
    forgetConnections();
    setDisks([...this.#voters, ...this.#engines].map(({ disk }) => disk));
  }

  play(): void {
    const { random } = this.#simulation;
    for (const machine of this.#voters) machine.startReplica();
    for (const machine of this.#engines) this.#startEngine(machine);
    for (let i = random.below(FAULTS_MAX); i > 0; i--)
      this.#simulation.after(random.between(500, CHAOS_MS), null, () => this.#fault());
    this.#runFor(CHAOS_MS);
    this.#heal();
    this.#runFor(CHAOS_MS / 2);
    const last = this.stored.length;
    this.#runFor(CHAOS_MS / 2);
    for (const machine of [...this.#voters, ...this.#engines]) {
      machine.isWanted = false;
      for (const process of [...machine.processes]) process.die();
    }
    if (this.stored.length === last)
      throw new Violation("nothing is stored any more, though nothing is wrong");
  }

  #runFor(ms: number): void {
    const until = this.#simulation.now + ms;
    this.#simulation.after(ms, null, () => undefined);
    this.#simulation.run(() => this.#simulation.now >= until);
  }

  /** Another engine follows when it has died. */
  #startEngine(machine: Machine): void {
    if (!machine.isUp) return;
    const process = machine.spawn("engine");
    process.onDeath(() => this.#simulation.after(300, null, () => this.#startEngine(machine)));
    void process.run(() => this.#live(process));
  }

  /** What an engine does until it dies. */
  async #live(process: Process): Promise<never> {
    const link = witnessLink(this.#voters.map(({ address }) => address).join(","));
    const { random } = this.#simulation;
    for (;;) {
      await this.#turn(process, link).catch((error: unknown) => {
        if (error instanceof Violation) this.#simulation.fail(error);
      });
      // In each other's way, mostly.
      await sleep(random.chance(0.7) ? random.between(0, 4) : random.between(0, 400));
    }
  }

  /** Reads the register, and mostly stores what follows from that. */
  async #turn(process: Process, link: ReturnType<typeof witnessLink>): Promise<void> {
    const { random } = this.#simulation;
    const before = this.stored.at(-1) ?? null;
    const facts = await link.identifyFor(VOLUME);
    const read = this.#find(facts);
    this.#mustFollow(read, before, `${process.name} reads`);
    if (random.chance(0.3)) return;
    const name = `${process.name}-${this.#tried.size}`;
    const generation = (read?.generation ?? 0) + 1 + random.below(3);
    const next: Tried = { name, generation, before: read };
    this.#tried.set(name, next);
    const since = this.stored.at(-1) ?? null;
    const basis = { generation: read?.generation ?? 0, engineId: read?.name ?? "", opening: facts.opening };
    await link.record(VOLUME, facts.replicaId, recordOf(next, facts.replicaId), basis);
    this.#mustFollow(next, since, `${process.name} stored`);
    this.stored.push(next);
  }

  #find({ record }: ReplicaFacts): Tried | null {
    if (record === null || record.generation === 0) return null;
    const tried = this.#tried.get(record.engineId);
    if (tried?.generation !== record.generation) throw new Violation(`nobody tried ${record.engineId}`);
    return tried;
  }

  #mustFollow(found: Tried | null, stored: Tried | null, what: string): void {
    if (stored === null) return;
    for (let one = found; one !== null; one = one.before) if (one === stored) return;
    throw new Violation(`${what} ${found?.name ?? "nothing"}, which does not follow from ${stored.name}`);
  }

  // ---------------------------------------------------------------------------------------------- faults

  #fault(): void {
    const simulation = this.#simulation;
    const { random } = simulation;
    const ms = random.pick([20, 300, 3_000]) * random.between(0.5, 1.5);
    const voter = random.pick(this.#voters);
    const engine = random.pick(this.#engines);
    const machine = random.chance(0.7) ? voter : engine;
    const later = (work: () => void) => void simulation.after(ms, null, work);
    switch (random.below(8)) {
      case 0: {
        voter.killReplica(ms);
        return;
      }
      case 1:
        for (const process of [...engine.processes]) process.die();
        return;
      case 2: {
        for (const process of machine.processes) {
          process.stop();
          later(() => simulation.resume(process));
        }
        return;
      }
      case 3:
        machine.cutPower();
        {
          later(() => this.#powerOn(machine));
          return;
        }
      case 4:
        machine.disk.slowness = 100;
        {
          later(() => (machine.disk.slowness = 1));
          return;
        }
      case 5: {
        const host = this.#network.hosts.get(machine.name);
        if (host === undefined) return;
        host.slowness = 300;
        later(() => (host.slowness = 1));
        return;
      }
      case 6: {
        const [from, to] = random.chance(0.5) ? [voter.name, engine.name] : [engine.name, voter.name];
        this.#network.block(from, to);
        later(() => this.#network.unblock(from, to));
        return;
      }
      default: {
        this.#network.breakBetween(voter.name, engine.name);
        return;
      }
    }
  }

  #powerOn(machine: Machine): void {
    machine.powerOn();
    if (this.#engines.includes(machine) && machine.processes.size === 0) this.#startEngine(machine);
  }

  #heal(): void {
    const machines = [...this.#voters, ...this.#engines];
    for (const machine of machines) {
      for (const other of machines) this.#network.unblock(machine.name, other.name);
      machine.disk.slowness = 1;
      const host = this.#network.hosts.get(machine.name);
      if (host !== undefined) host.slowness = 1;
      this.#powerOn(machine);
      for (const process of machine.processes) this.#simulation.resume(process);
    }
  }
}

function recordOf({ name, generation }: Tried, witness: string): MemberRecord {
  return {
    ...{ generation, members: ["a", "b", witness], witnesses: [witness], engineId: name, engineBootId: "b" },
    ...BARE_RECORD,
  };
}
