/** All instances of the node: made, found, replaced and deleted by name, as Longhorn's process manager does it. */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { status } from "@grpc/grpc-js";
import type { Logger } from "pino";
import { RpcError } from "../../proto/rpc-error.js";
import { HostedInstance } from "./hosted-instance.js";
import { logIn, type Instance, type InstanceHome } from "./instance.js";
import { Leftovers, type Present } from "./leftovers.js";
import { LOGS_PERIOD_MS, PORTS_REMEMBERED_MAX, REPLACE_WAIT_MS } from "./limits.js";
import { boundLog } from "./logs.js";
import { kindOf, programPath } from "./own-program.js";
import { isAlive } from "./proc.js";
import { PortAllocator, type PortRange } from "./ports.js";
import { ProcessInstance } from "./process-instance.js";
import { Records, type InstanceRecord, type InstanceSpec } from "./records.js";
import { ReplicaDaemon, replicaHostLog } from "./replica-daemon.js";
import { STARTING } from "./status.js";

export interface InstancesOptions {
  stateDirectory: string;
  logsDirectory: string;
  portRange: PortRange;
  bootId: string;
  /** path of our `longhorn`: what is started by it is looked after as ours */
  longhorn: string;
  /** a program, and its arguments, that hosts replicas */
  replicaHost: readonly [string, ...string[]];
  log: Logger;
}

/** Behind a name: the record of the one that is to replace it. No instance has such a name. */
const NEXT = "/next";

export type Watcher = (instance: Instance, deleted: boolean) => void;

export class Instances {
  readonly #instances = new Map<string, Instance>();
  readonly #ports: PortAllocator;
  /** by name, of instances that are gone: one that comes back, as a replica after a restart of the machine, is found by its
   * engine where it was */
  readonly #lastPorts = new Map<string, PortRange>();
  readonly #watchers = new Set<Watcher>();
  readonly #daemon: ReplicaDaemon;
  readonly #home: InstanceHome;
  readonly #timer = setInterval(() => this.#boundLogs(), LOGS_PERIOD_MS);

  private constructor(
    private readonly options: InstancesOptions,
    records: Records,
    leftovers: Leftovers,
  ) {
    const { stateDirectory, logsDirectory, portRange, bootId, replicaHost, log } = options;
    this.#ports = new PortAllocator(portRange);
    this.#daemon = new ReplicaDaemon({
      ...{ command: replicaHost, stateDirectory, logsDirectory, bootId, log },
      onLost: () => this.#hostAgain(),
    });
    this.#home = {
      ...{ records, leftovers, bootId, stateDirectory, logsDirectory, log },
      onChange: (instance) => this.#tell(instance, false),
      onGone: (instance) => this.#gone(instance),
    };
  }

  /** Finds what an agent before this one has left. @throws {Error} a record cannot be read */
  static async open(options: InstancesOptions): Promise<Instances> {
    const { stateDirectory } = options;
    const records = await Records.open(join(stateDirectory, "instances"));
    const logOf = (name: string) => logIn(options.logsDirectory, name);
    const leftovers = await Leftovers.open(stateDirectory, logOf, () => instances.#present(), options.log);
    const instances: Instances = new Instances(options, records, leftovers);
    await instances.#adopt(await records.readAll());
    return instances;
  }

  async #adopt(records: ReadonlyMap<string, InstanceRecord>): Promise<void> {
    for (const record of records.values()) for (const block of blocksOf(record)) this.#ports.take(block);
    await this.#daemon.adopt();
    const replaced = new Set<string>();
    for (const [key, record] of records) {
      if (!key.endsWith(NEXT)) continue;
      if (await this.#adoptReplacement(record, key, records.get(record.spec.name)))
        replaced.add(record.spec.name);
    }
    for (const [key, record] of records)
      if (!key.endsWith(NEXT) && !replaced.has(key)) this.#instances.set(key, this.#make(record, key));
    await Promise.all(this.list().map((instance) => instance.adopt()));
  }

  /** A replacement was under way: the newer one has the volume if it serves.
   * @returns whether it is in the place of the one before */
  async #adoptReplacement(
    record: InstanceRecord,
    key: string,
    before: InstanceRecord | undefined,
  ): Promise<boolean> {
    if (record.uuid === before?.uuid) {
      await this.#home.records.remove(key);
      return false; // it was finished, but for that
    }
    const next = this.#make(record, key);
    await next.adopt();
    await Promise.race([next.settled, sleep(REPLACE_WAIT_MS)]);
    if (next.record.status.state !== "running") {
      await next.delete();
      return false;
    }
    if (before?.process && isAlive(before.process, this.options.bootId))
      process.kill(before.process.pid, "SIGHUP");
    await this.#takePlace(next);
    return true;
  }

  #make(record: InstanceRecord, key: string): Instance {
    return record.kind === "replica"
      ? new HostedInstance(record, key, this.#home, this.#daemon)
      : new ProcessInstance(record, key, this.#home);
  }

  /** Nothing is looked after any more. */
  stop(): void {
    clearInterval(this.#timer);
  }

  #boundLogs(): void {
    const { logsDirectory, log } = this.options;
    for (const file of [replicaHostLog(logsDirectory), ...this.list().map(({ logFile }) => logFile)])
      try {
        boundLog(file);
      } catch (err) {
        log.error({ err, file }, "a log that is too long could not be cut");
      }
  }

  #present(): Present {
    const all = this.list();
    return {
      names: new Set(all.map(({ name }) => name)),
      uuids: new Set(all.map(({ record }) => record.uuid)),
    };
  }

  // -------------------------------------------------------------------------------------------- questions

  list(): Instance[] {
    return [...this.#instances.values()];
  }

  /** @throws {RpcError} NOT_FOUND */
  get(name: string): Instance {
    const found = this.#instances.get(name);
    if (found === undefined) throw new RpcError(status.NOT_FOUND, `cannot find process ${name}`);
    return found;
  }

  /** Engines of ours that may be running. */
  engines(): ProcessInstance[] {
    return this.list().filter(
      (one): one is ProcessInstance => one instanceof ProcessInstance && one.record.engine !== null,
    );
  }

  get replicaHostPid(): number | null {
    return this.#daemon.pid;
  }

  /** @returns what ends it */
  watch(watcher: Watcher): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  // -------------------------------------------------------------------------------------------- changes

  /** @returns the instance, which is being started
   * @throws {RpcError | Error} and then there is none */
  async create(spec: InstanceSpec): Promise<Instance> {
    checkSpec(spec);
    if (this.#instances.has(spec.name))
      throw new RpcError(status.ALREADY_EXISTS, `process ${spec.name} already exists`);
    const instance = this.#prepare(spec, spec.name);
    // Nobody else takes the name meanwhile.
    this.#instances.set(spec.name, instance);
    try {
      // Before it runs: what runs has to be found again.
      await this.#home.records.write(instance.key, instance.record);
    } catch (error) {
      this.#instances.delete(spec.name);
      this.#ports.free(instance.record.ports);
      throw error;
    }
    this.#tell(instance, false);
    instance.begin();
    return instance;
  }

  #prepare(spec: InstanceSpec, key: string): Instance {
    const { bootId, longhorn } = this.options;
    const ports = this.#ports.allocate(spec.portCount, this.#lastPorts.get(spec.name));
    const binary = programPath(spec.binary);
    const args = [...spec.args, ...portArguments(spec, ports)];
    const kind = kindOf(binary, args, longhorn);
    const record: InstanceRecord = {
      ...{ version: 1, spec: { ...spec, binary, args }, uuid: randomUUID(), ports, bootId },
      ...{ status: STARTING, hasRun: false, deleting: false, process: null, inheritedPorts: [] },
      kind: kind === "replica" ? "replica" : "process",
      engine: kind === "engine" ? { last: null, ids: [] } : null,
    };
    return this.#make(record, key);
  }

  /** @param uuid "" for whichever has the name
   * @returns the instance, which is being stopped
   * @throws {RpcError} NOT_FOUND */
  async delete(name: string, uuid: string): Promise<Instance> {
    const instance = this.get(name);
    if (uuid !== "" && uuid !== instance.record.uuid)
      throw new RpcError(status.NOT_FOUND, `cannot find process ${name} with UUID ${uuid}`);
    await instance.delete();
    return instance;
  }

  /** Starts another process beside the one of that name, which ends by SIGHUP when the new one serves.
   * @throws {RpcError} and the one before goes on */
  async replace(spec: InstanceSpec, terminateSignal: string): Promise<Instance> {
    if (terminateSignal !== "SIGHUP")
      throw new RpcError(status.INVALID_ARGUMENT, `doesn't support terminate signal ${terminateSignal}`);
    checkSpec(spec);
    const present = this.get(spec.name);
    if (present.record.spec.binary === programPath(spec.binary)) return present;
    const key = spec.name + NEXT;
    const next = this.#prepare(spec, key);
    next.record.inheritedPorts = portsNamed(blocksOf(present.record), spec.args);
    await this.#home.records.write(key, next.record);
    next.begin();
    await Promise.race([next.settled, sleep(REPLACE_WAIT_MS)]);
    const { state, errorMsg } = next.record.status;
    if (state === "running" && this.#instances.get(spec.name) === present) {
      // In this order: an agent that finds both knows by the record that the newer one has the volume.
      if (present instanceof ProcessInstance) present.hangUp();
      this.#free(present.record);
      for (const port of next.record.inheritedPorts) this.#ports.take({ first: port, last: port });
      await this.#takePlace(next);
      this.#tell(next, false);
      return next;
    }
    await next.delete();
    if (state === "running")
      throw new RpcError(status.ALREADY_EXISTS, `process ${spec.name} was changed meanwhile`);
    throw new RpcError(status.UNKNOWN, `failed to wait for the new process of ${spec.name}: ${errorMsg}`);
  }

  async #takePlace(next: Instance): Promise<void> {
    this.#instances.set(next.name, next);
    const staged = next.key;
    next.key = next.name;
    const { records } = this.#home;
    await records
      .write(next.key, next.record)
      .then(() => records.remove(staged))
      .catch((err: unknown) => this.options.log.error({ err }, "a replacement could not be recorded"));
  }

  /** Stops all; they stay in the list. Resolves when they have ended. */
  async stopAll(): Promise<void> {
    // Engines first: their last act is to tell the replicas that all is durable and equal.
    const engines: Instance[] = this.engines();
    const others = this.list().filter((one) => !engines.includes(one));
    for (const group of [engines, others]) {
      for (const instance of group) if (!instance.isOver) instance.stop();
      await Promise.all(group.map(({ over }) => over));
    }
  }

  #free(record: InstanceRecord): void {
    for (const block of blocksOf(record)) this.#ports.free(block);
  }

  #gone(instance: Instance): void {
    // One that was to replace another, and did not, leaves that one its ports.
    if (instance.key.endsWith(NEXT)) this.#ports.free(instance.record.ports);
    if (this.#instances.get(instance.name) !== instance) return;
    this.#free(instance.record);
    this.#notePorts(instance);
    this.#instances.delete(instance.name);
    this.#tell(instance, true);
  }

  #notePorts({ name, record }: Instance): void {
    this.#lastPorts.delete(name);
    // Who never ran may have found somebody else there.
    if (record.ports !== null && record.hasRun) this.#lastPorts.set(name, record.ports);
    for (const oldest of this.#lastPorts.keys()) {
      if (this.#lastPorts.size <= PORTS_REMEMBERED_MAX) break;
      this.#lastPorts.delete(oldest);
    }
  }

  #hostAgain(): void {
    for (const instance of this.list()) if (instance instanceof HostedInstance) instance.hostAgain();
  }

  #tell(instance: Instance, deleted: boolean): void {
    if (!deleted && this.#instances.get(instance.name) !== instance) return; // it is to replace another, or was replaced
    for (const watcher of [...this.#watchers]) watcher(instance, deleted);
  }
}

function checkSpec({ name, binary, portCount, portArgs }: InstanceSpec): void {
  if (name === "" || binary === "") throw new RpcError(status.INVALID_ARGUMENT, "missing required argument");
  if (portCount < 0) throw new RpcError(status.INVALID_ARGUMENT, `invalid port count ${portCount}`);
  if (portArgs.length > portCount)
    throw new Error(`too many port args ${portArgs.length} for port count ${portCount}`);
}

function blocksOf({ ports, inheritedPorts }: InstanceRecord): PortRange[] {
  const inherited = inheritedPorts.map((port) => ({ first: port, last: port }));
  return ports === null ? inherited : [ports, ...inherited];
}

/** Ports among `blocks` that an argument ends with. */
function portsNamed(blocks: readonly PortRange[], args: readonly string[]): number[] {
  const named = new Set(args.map((arg) => Number(/:(\d+)$/.exec(arg)?.[1])));
  return [...named].filter((port) => blocks.some(({ first, last }) => port >= first && port <= last));
}

/** Each argument has its port behind it, and is taken apart at commas. */
function portArguments({ portArgs }: InstanceSpec, ports: PortRange | null): string[] {
  return portArgs.flatMap((text, index) => `${text}${(ports?.first ?? 0) + index}`.split(","));
}
