/**
 * Two or three machines with a replica each, maybe one with a witness, one or two that run engines, one initiator: the product's own replica and engine
 * on simulated disks, network and clock. The initiator's operations are judged by the model.
 */
import type { Logger } from "pino";
import { AttachedVolume } from "../../engine/attached-volume.js";
import type { Health } from "../../engine/health.js";
import type { MemberRecord } from "../../proto/control.js";
import { compareBallots, NO_BALLOT, type Ballot } from "../../proto/ballot.js";
import { parseRecord, type ReplicaRecord } from "../../replica/member-record.js";
import { sockets } from "./data-server.js";
import { setDisks } from "./disk.js";
import { forgetDescriptors } from "./fs.js";
import { Machine } from "./machine.js";
import { Model, Violation, type Operation } from "./model.js";
import { forgetConnections } from "./net.js";
import { beginNetwork, type Network } from "./network.js";
import { BLOCK_SECTORS, SECTOR_BYTES } from "./sectors.js";
import { beginSimulation, type Process, type Simulation } from "./simulation.js";
import { SimVolume } from "./volume.js";
import { WitnessMachine } from "./witness-machine.js";

export const VOLUME = "vol";
export const VOLUME_BYTES = 4 << 20;
export const REPLICA_TIMEOUT_MS = 8_000;
const MEMBERS_WAIT_MS = 10_000;
const RESTART_MS = 300;
/** between two looks of an operator, ms: longer than a replica takes to be found again */
export const ATTENDED_MS = 30_000;
/** of one read, as much as a message may carry */
const PIECE_SECTORS = 2048;

export interface WorldOptions {
  seed: number;
  replicas: number;
  /** where the engine runs: a machine of its own, or one that has a replica */
  engineAlone: boolean;
  /** on machines of their own: a witness, or its voters */
  witnesses: readonly string[];
  /** whether an operator empties directories that the engine declines, at the end */
  attended: boolean;
  trace: ((text: string) => void) | null;
}

/** Whoever starts an engine tells it so. */
export interface Decision {
  /** the replica that it is to start from; null: as the records say */
  salvage: string | null;
  acceptLostWrites: boolean;
}

const NO_DECISION: Decision = { salvage: null, acceptLostWrites: false };

/** One engine process and what the initiator knows of it. */
export class Engine {
  attached: AttachedVolume | null = null;
  health: Health | null = null;
  /** not acknowledged yet */
  readonly open = new Set<Operation>();

  constructor(
    readonly process: Process,
    readonly machine: Machine,
  ) {}

  get volume(): SimVolume | null {
    const volume = this.attached?.volume;
    return volume instanceof SimVolume ? volume : null;
  }

  get isServing(): boolean {
    return this.attached !== null && this.process.alive;
  }
}

export class World {
  readonly simulation: Simulation;
  readonly network: Network;
  readonly model = new Model();
  readonly replicas: Machine[];
  /** the witness, or its voters; where there are several, each of the first shares the fate of a replica's machine */
  readonly witnesses: Machine[];
  /** where engines run, and the first of them */
  readonly hosts: Machine[];
  readonly home: Machine;
  engine: Engine | null = null;
  /** that were replaced by others, and have not noticed */
  former: Engine[] = [];
  /** an engine is to be running */
  private isWanted = true;
  /** machines that hold all that was acknowledged, flushed or not */
  private readonly holders = new Set<string>();
  /** when nobody held any more what was not flushed, the last time */
  private lostAt = -Infinity;
  private engines = 0;
  private values = 0;
  operations = 0;
  acknowledged = 0;
  /** directories that somebody had to empty */
  emptied = 0;
  /** directories that were put back in time */
  restored = 0;
  protected attendedAt = 0;
  /** volumes that did not start by themselves */
  salvaged = 0;
  /** what somebody has decided after the last start, for the next one alone */
  private decision: Decision = NO_DECISION;

  constructor(protected readonly options: WorldOptions) {
    this.simulation = beginSimulation(options.seed);
    this.network = beginNetwork();
    const hosting = {
      ...{ volume: VOLUME, size: VOLUME_BYTES, managed: this.isManaged },
      log: (process: Process) => this.logOf(process),
    };
    this.replicas = Array.from({ length: options.replicas }, (_, i) => new Machine(`m${i + 1}`, hosting));
    this.witnesses = options.witnesses.map((name) => new WitnessMachine(name, hosting));
    const first = options.engineAlone ? new Machine("e1", hosting) : this.replicas[0];
    if (first === undefined) throw new Error("a world has replicas");
    this.home = first;
    this.hosts = [first, new Machine("e2", hosting)];
    forgetDescriptors();
    forgetConnections();
    sockets.clear();
    setDisks(this.machines.map(({ disk }) => disk));
    for (const machine of this.replicas) machine.disk.onStoreFailed = () => this.lose(machine);
  }

  /** Whether replicas are hosted as Longhorn hosts them. */
  protected get isManaged(): boolean {
    return false;
  }

  protected get witnessAddress(): string | null {
    return this.witnesses.length === 0 ? null : this.witnesses.map(({ address }) => address).join(",");
  }

  get machines(): Machine[] {
    return [...new Set([...this.daemons, ...this.hosts])];
  }

  /** That keep something of the volume. */
  private get daemons(): Machine[] {
    return [...this.replicas, ...this.witnesses];
  }

  /** By the number that a step names: replicas, where the engine runs, witnesses. */
  machine(index: number): Machine {
    const replica = this.replicas[index];
    if (replica !== undefined) return replica;
    return this.witnesses[index - this.replicas.length - 1] ?? this.engine?.machine ?? this.home;
  }

  trace(text: string): void {
    this.options.trace?.(`${this.simulation.now.toFixed(1).padStart(10)} ${text}`);
  }

  private logOf(
    process: Process,
    onInfo: (fields: Record<string, unknown>, text: string) => void = () => undefined,
  ): Logger {
    const say = (level: string) => (fields: Record<string, unknown>, text: string) => {
      onInfo(fields, text);
      if (this.options.trace === null) return;
      const shown = JSON.stringify(fields, (_, value: unknown) =>
        value instanceof Error ? value.message : value,
      );
      this.trace(`${process.name} ${level} ${text} ${shown}`);
    };
    const log = {
      trace: say("trace"),
      debug: say("debug"),
      info: say("info"),
      warn: say("warn"),
      error: say("error"),
    };
    return Object.assign(log, { child: () => log }) as unknown as Logger;
  }

  // ---------------------------------------------------------------------------------------------- engines

  start(): void {
    for (const machine of this.daemons) machine.startReplica();
    this.startEngine(this.home);
  }

  startEngine(host: Machine): void {
    this.isWanted = true;
    if (!host.isUp) return;
    if (this.engine !== null) this.former.push(this.engine);
    const process = host.spawn("engine");
    const engine = new Engine(process, host);
    this.engine = engine;
    process.onDeath(() => this.engineDied(engine));
    const log = this.logOf(process, (fields, text) => {
      if (text === "replica state changed")
        this.replicaChanged(String(fields["replica"]), String(fields["to"]), String(fields["from"]));
    });
    const { decision } = this;
    this.decision = NO_DECISION;
    void process.run(() =>
      this.serve(engine, decision, log).then(
        (attached) => this.attached(engine, attached),
        (error: unknown) => {
          const { message } = error as Error;
          this.trace(`${process.name} did not start: ${message}`);
          if (/^(LOST_WRITES|SPLIT|WENT_BACK):/.test(message)) this.salvageHolder(message);
          this.simulation.after(0, null, () => process.die());
        },
      ),
    );
  }

  /** The engine's own code, until it serves. */
  protected serve(engine: Engine, decision: Decision, log: Logger): Promise<AttachedVolume> {
    return AttachedVolume.attach({
      volume: VOLUME,
      size: VOLUME_BYTES,
      replicas: this.replicas.map(({ address }) => address),
      engineId: `engine-${++this.engines}`,
      engineBootId: engine.machine.bootId,
      replicaTimeoutMs: REPLICA_TIMEOUT_MS,
      waitMs: MEMBERS_WAIT_MS,
      witness: this.witnessAddress,
      ...decision,
      after: null,
      copier: null,
      onHealth: (health: Health) => this.healthChanged(engine, health),
      onWait: (evidence: string) => this.trace(`${engine.process.name} waits: ${evidence}`),
      signal: new AbortController().signal,
      log,
    });
  }

  protected attached(engine: Engine, attached: AttachedVolume): void {
    engine.attached = attached;
    this.trace(`${engine.process.name} serves`);
    for (const { address, state } of attached.replicas.replicas())
      if (state.mode === "ERR") this.holders.delete(machineOf(address));
    // What those before it had under way is done by now, or never.
    for (const former of this.former) this.abandon(former);
  }

  private replicaChanged(address: string, to: string, from: string): void {
    if (to === "RW" && from !== "AWAY") this.holders.add(machineOf(address));
    if (to === "ERR") this.holders.delete(machineOf(address));
  }

  protected healthChanged(engine: Engine, health: Health): void {
    engine.health = health;
    if (health.type === "fenced") {
      this.simulation.after(RESTART_MS, null, () => engine.process.die());
    } else if (health.type === "writesLost") {
      this.trace(`${engine.process.name}: writes are lost: ${health.reason}`);
      // Somebody looks at it, and decides to go on.
      this.simulation.after(5_000, null, () => {
        if (engine === this.engine) this.decision = { salvage: null, acceptLostWrites: true };
        engine.process.die();
      });
    }
  }

  /** Somebody knows which replica holds everything that was acknowledged, or goes by what is said of them where none does. What reads may have told
   * of writes that were not is given up. */
  private salvageHolder(evidence: string): void {
    const [holder] = this.holders;
    let salvage: string | null = null;
    if (holder !== undefined) salvage = `replica-${holder}`;
    else if (!evidence.startsWith("LOST_WRITES:")) salvage = newestOfItself(evidence);
    this.decision = { salvage, acceptLostWrites: holder === undefined && !evidence.startsWith("SPLIT:") };
    this.model.losePower();
    this.salvaged++;
  }

  private abandon(engine: Engine): void {
    for (const operation of engine.open) this.model.abandon(operation);
    engine.open.clear();
  }

  private engineDied(engine: Engine): void {
    this.abandon(engine);
    this.former = this.former.filter((other) => other !== engine);
    if (this.engine !== engine) return;
    this.engine = null;
    this.simulation.after(RESTART_MS, null, () => {
      if (this.isWanted && this.engine === null) this.startEngine(engine.machine);
    });
  }

  killEngine(downMs: number): void {
    this.isWanted = false;
    const host = this.engine?.machine ?? this.home;
    this.engine?.process.die();
    this.simulation.after(downMs, null, () => {
      if (this.engine === null) this.startEngine(host);
    });
  }

  /** The engine ends in order, and another one starts. */
  restartInOrder(): void {
    const { engine } = this;
    const attached = engine?.attached;
    if (engine == null || attached == null || engine.open.size > 0) return;
    const end = () => this.simulation.after(0, null, () => engine.process.die());
    engine.process.run(() => this.detach(engine, attached)).then(end, end);
  }

  protected async detach(_engine: Engine, attached: AttachedVolume): Promise<void> {
    await attached.detach();
  }

  // ---------------------------------------------------------------------------------------------- power

  cutPower(machine: Machine, downMs: number): void {
    for (const one of this.alongside(machine)) one.cutPower();
    if (!this.witnesses.includes(machine)) this.lose(machine);
    this.simulation.after(downMs, null, () => {
      for (const one of this.alongside(machine)) one.powerOn();
    });
  }

  /** The machine, and the voter that is on it. */
  alongside(machine: Machine): Machine[] {
    const voter = this.witnesses.length > 1 ? this.witnesses[this.replicas.indexOf(machine)] : undefined;
    return voter === undefined ? [machine] : [machine, voter];
  }

  /** Puts a directory back to what it is now, where all that may be started from tells that it had stored more by then, and what
   * was acknowledged is elsewhere, too. Not one that was the only copy: nobody else would be asked. */
  restoreLater(machine: Machine, ms: number): void {
    const then = recordOn(machine);
    const restore = machine.backUpDirectory();
    this.simulation.after(ms, null, () => {
      const members = this.members();
      const isElsewhere = [...this.holders].some((name) => name !== machine.name && members.has(name));
      const others = [...this.replicas, ...this.witnesses].filter((other) => other !== machine);
      const isAlone = (then?.member?.members.length ?? 0) < 2;
      if (then === null || isAlone || !isElsewhere || !others.every((other) => tells(recordOn(other), then)))
        return;
      this.trace(`${machine.name} is put back to generation ${then.member?.generation ?? 0}`);
      this.holders.delete(machine.name);
      this.restored++;
      restore();
    });
  }

  /** What the machine's replica had not made durable is gone. */
  private lose(machine: Machine): void {
    this.holders.delete(machine.name);
    if (this.isHeld()) return;
    this.trace("nobody holds what was not flushed");
    this.lostAt = this.simulation.now;
    this.model.losePower();
  }

  /** Whether what was acknowledged and not flushed is on a copy that is current. */
  private isHeld(): boolean {
    const members = this.members();
    return [...this.holders].some((name) => members.has(name));
  }

  /** Machines of the members that the newest record names, the witness's as well: what it excludes is excluded. */
  protected members(): Set<string> {
    const records = this.replicas.map(recordOn);
    // What a majority of voters has decided is no newer than what the one in the middle holds.
    const votes = this.witnesses.map(recordOn).sort((a, b) => compareBallots(ballotOf(b), ballotOf(a)));
    const newest = [...records, votes[Math.floor(votes.length / 2)]]
      .flatMap((record) => record?.member ?? [])
      .reduce<MemberRecord | null>((a, b) => (b.generation > (a?.generation ?? 0) ? b : a), null);
    return new Set(newest?.members.map((id) => id.replace("replica-", "")) ?? []);
  }

  // ---------------------------------------------------------------------------------------------- the initiator

  write(
    sector: number,
    count: number,
    kind: "write" | "unmap" | "writeZeroes",
    fua = false,
    engine = this.engine,
  ): void {
    const value = kind === "write" ? ++this.values : 0;
    const [offset, length] = [sector * SECTOR_BYTES, count * SECTOR_BYTES];
    this.issue(engine, this.model.begin.bind(this.model, "write", sector, count, value, fua), (volume) => {
      if (kind === "write")
        return volume.writeSectors(null, offset, new Int32Array(count).fill(value), { fua });
      return kind === "unmap" ? volume.unmap(null, offset, length) : volume.writeZeroes(null, offset, length);
    });
  }

  read(sector: number, count: number, engine = this.engine): void {
    this.issue(engine, this.model.begin.bind(this.model, "read", sector, count), (volume) =>
      volume.readSectors(null, sector * SECTOR_BYTES, count * SECTOR_BYTES),
    );
  }

  flush(engine = this.engine): void {
    this.issue(engine, this.model.begin.bind(this.model, "flush"), (volume) => volume.flush(null));
  }

  /** The engine that the initiator uses; `former`: one that was replaced, if there is any. */
  initiator(former: boolean): Engine | null {
    return (former ? this.former[0] : undefined) ?? this.engine;
  }

  /** Whether the initiator may use the volume. */
  protected get admitsIo(): boolean {
    return true;
  }

  private issue(
    engine: Engine | null,
    begin: () => Operation,
    perform: (volume: SimVolume) => Promise<unknown>,
  ): void {
    const volume = engine?.volume;
    if (engine === null || volume == null || !engine.process.alive || !this.admitsIo) return;
    const operation = begin();
    const began = this.simulation.now;
    this.operations++;
    engine.open.add(operation);
    const say = (what: string) => {
      const { kind, sector, count, value } = operation;
      if (this.options.trace !== null) this.trace(`${kind} ${sector}+${count} ${what}, value ${value}`);
    };
    say("begins");
    engine.process
      .run(() => perform(volume))
      .then(
        (result) => {
          engine.open.delete(operation);
          this.acknowledged++;
          say(result instanceof Int32Array ? `reads ${result.join(" ")}` : "done");
          if (result instanceof Int32Array) this.model.answer(operation, result);
          else this.model.acknowledge(operation);
          // The answer was under way when the last one that knew it lost its power.
          if (this.holders.size === 0 || (began <= this.lostAt && !this.isHeld())) this.model.losePower();
        },
        (error: unknown) => {
          engine.open.delete(operation);
          say(`failed: ${(error as Error).message}`);
          this.model.abandon(operation);
        },
      )
      .catch((error: unknown) => this.simulation.fail(error));
  }

  // ---------------------------------------------------------------------------------------------- the end

  end(): void {
    for (const machine of this.machines) {
      machine.isWanted = false;
      for (const process of [...machine.processes]) process.die();
    }
  }

  runFor(ms: number): void {
    const until = this.simulation.now + ms;
    this.simulation.after(ms, null, () => undefined);
    this.simulation.run(() => this.simulation.now >= until);
  }

  /** Everything works again, from now on. */
  heal(): void {
    for (const machine of this.machines) {
      for (const other of this.machines) this.network.unblock(machine.name, other.name);
      const { disk } = machine;
      Object.assign(disk, { failing: null, freeBlocks: Infinity, slowness: 1 });
      const host = this.network.hosts.get(machine.name);
      if (host !== undefined) host.slowness = 1;
      if (disk.isShut) this.cutPower(machine, 0);
      machine.powerOn();
      for (const process of machine.processes) this.simulation.resume(process);
    }
    Object.assign(this.network, { damage: 0, repetition: 0 });
    for (const former of this.former) former.process.die();
    for (const machine of this.daemons) {
      // A daemon whose disk failed is started anew by somebody.
      if (machine.replica?.hosted?.now.state === "failed") machine.killReplica(0);
      machine.startReplica();
    }
    if (this.engine === null) this.startEngine(this.home);
    this.attendedAt = this.simulation.now;
  }

  /** @throws {Violation} not all replicas have become copies, or what they hold is not what they should */
  settle(withinMs: number): void {
    const deadline = this.simulation.now + withinMs;
    // What was done to it last may still have consequences: then it is looked at again.
    while (!this.isWhole() || !this.checkAll()) {
      if (this.simulation.now >= deadline)
        throw new Violation(`the volume does not recover: ${this.describe()}`);
      this.attend();
      this.runFor(100);
    }
  }

  protected isWhole(): boolean {
    const { engine } = this;
    if (engine === null || !engine.isServing || engine.health?.type !== "served" || engine.open.size > 0)
      return false;
    const { replicas } = engine.attached ?? {};
    if (replicas?.witness()?.member === false) return false;
    return replicas?.replicas().every(({ state }) => state.mode === "RW") === true;
  }

  /** The engine keeps what may be somebody's data, and an operator says that it is not. One that waits for a copy that lost its writes
   * is started again. */
  protected attend(): void {
    if (!this.options.attended || this.simulation.now < this.attendedAt + ATTENDED_MS) return;
    const { health, process } = this.engine ?? {};
    if (this.witnesses.length > 0 && health?.type === "waited") {
      this.trace(`somebody kills ${process?.name}`);
      this.attendedAt = this.simulation.now;
      process?.die();
      return;
    }
    for (const { address, state } of this.engine?.attached?.replicas.replicas() ?? []) {
      if (state.mode !== "ERR" || !state.cause.includes("kept until its directory is emptied")) continue;
      this.trace(`somebody empties ${address}`);
      this.emptied++;
      this.attendedAt = this.simulation.now;
      this.replicas.find((machine) => machine.address === address)?.emptyDirectory();
    }
  }

  /** @returns false when something went wrong on the way that may go wrong */
  protected checkAll(): boolean {
    const { engine } = this;
    const before = this.acknowledged;
    let operations = 3;
    // What refuses every change may still read well.
    this.write(0, BLOCK_SECTORS, "write");
    this.write(BLOCK_SECTORS, BLOCK_SECTORS, "unmap");
    for (const { sector, count } of this.model.touched()) {
      for (let at = sector; at < sector + count; at += PIECE_SECTORS) {
        this.read(at, Math.min(PIECE_SECTORS, sector + count - at));
        operations++;
      }
    }
    this.flush();
    const ended = this.runUntil(() => engine !== this.engine || engine?.open.size === 0);
    if (!ended) throw new Violation(`operations do not end: ${this.describe()}`);
    return this.acknowledged === before + operations && this.copiesAreEqual();
  }

  protected runUntil(done: () => boolean): boolean {
    const deadline = this.simulation.now + 60_000;
    this.simulation.after(60_000, null, () => undefined);
    this.simulation.run(() => done() || this.simulation.now >= deadline);
    return done();
  }

  protected describe(): string {
    const { engine } = this;
    if (engine === null) return "no engine runs";
    const replicas = engine.attached?.replicas.replicas().map(({ address, state }) => {
      const cause =
        state.mode === "ERR" ? ` (${state.cause})` : state.mode === "AWAY" ? ` (${state.reason})` : "";
      return `${address} ${state.mode}${cause}`;
    });
    const health = engine.health === null ? "none" : JSON.stringify(engine.health);
    const witness = engine.attached?.replicas.witness();
    if (witness != null)
      replicas?.push(`witness ${witness.member ? "counts" : `does not count (${witness.cause})`}`);
    return `${replicas?.join(", ") ?? "not attached"}; health ${health}; ${engine.open.size} operations open`;
  }

  /** Reads all copies wherever anything was ever written.
   * @returns false when one could not be read
   * @throws {Violation} they differ */
  private copiesAreEqual(): boolean {
    const { engine } = this;
    const { attached, volume } = engine ?? {};
    if (engine === null || attached == null || volume == null) return false;
    const runs = this.model.touched();
    const copies = attached.replicas
      .replicas()
      .map(({ slot }) =>
        engine.process.run(() =>
          Promise.all(
            runs.map(({ sector, count }) =>
              volume.readSectors(slot, sector * SECTOR_BYTES, count * SECTOR_BYTES),
            ),
          ),
        ),
      );
    const read: { contents: Int32Array[][] | null } = { contents: null };
    let ended = false;
    Promise.all(copies).then(
      (contents) => {
        read.contents = contents;
        ended = true;
      },
      () => (ended = true),
    );
    this.runUntil(() => ended || !engine.process.alive);
    if (read.contents === null) return false;
    const [first = [], ...others] = read.contents;
    for (const [at, run] of runs.entries()) {
      for (const other of others) {
        const differs = first[at]?.findIndex((value, i) => !this.model.agree(value, other[at]?.[i])) ?? -1;
        if (differs < 0) continue;
        const values = [first, other].map((copy) => copy[at]?.[differs] ?? "nothing");
        throw new Violation(`copies differ in sector ${run.sector + differs}: ${values.join(" and ")}`);
      }
    }
    return true;
  }
}

function recordOn({ disk, directory }: Machine): ReplicaRecord | null {
  const text = disk.names.get(`${directory}/aurochs.record`)?.text.content.toString() ?? "";
  return text === "" ? null : parseRecord(text, directory);
}

/** Whether a record says that a replica had more than it had `then`, or counts without it. */
function tells(record: ReplicaRecord | null, then: ReplicaRecord): boolean {
  const { members = [], absent = [], heldByAll = 0 } = record?.member ?? {};
  const left = absent.find(({ replicaId }) => replicaId === then.replicaId);
  if (left !== undefined) return left.heldAtLeast > then.heldGeneration;
  return !members.includes(then.replicaId) || heldByAll > (then.member?.generation ?? 0);
}

function ballotOf(record: ReplicaRecord | null): Ballot {
  return record?.vote?.accepted ?? NO_BALLOT;
}

function machineOf(address: string): string {
  return address.slice(0, address.indexOf(":"));
}

/** The replica with the newest record of those that name the one that holds it. */
function newestOfItself(evidence: string): string | null {
  const told = [...evidence.matchAll(/replica (\S+), generation (\d+), members ([^;]*)/g)];
  const good = told.filter(([, id = "", , members = ""]) => members.split(", ").includes(id));
  const [newest] = good.sort((a, b) => Number(b[2]) - Number(a[2]));
  return newest?.[1] ?? null;
}
