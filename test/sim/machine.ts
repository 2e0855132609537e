/** A machine of the simulated world: a disk, a boot id, and the replica daemon that somebody starts again when it has died. */
import type { Logger } from "pino";
import { HostedReplica } from "../../replica/hosted-replica.js";
import { serveControl } from "../../replica/server.js";
import { serveSyncAgent } from "../../replica/sync/server.js";
import { Disk } from "./disk.js";
import { network } from "./network.js";
import { Process, simulation } from "./simulation.js";

export const CONTROL_PORT = 10_000;
const DATA_PORT = 10_001;
const SYNC_AGENT_PORT = 10_002;
const RECEIVER_PORTS = { first: 10_003, last: 10_012 };
const RESTART_MS = 200;
/** that a daemon has to end in order */
const STOP_MS = 2_000;

export interface Hosting {
  volume: string;
  /** bytes, of a volume that is created */
  size: number;
  /** as Longhorn hosts replicas: closed until an engine opens them, with a sync agent beside */
  managed: boolean;
  log: (process: Process) => Logger;
}

export class Machine {
  readonly disk: Disk;
  readonly processes = new Set<Process>();
  private boots = 0;
  private clockAheadMs = 0;
  replica: { process: Process; hosted: HostedReplica | null } | null = null;
  /** the daemon is to be running */
  isWanted = false;

  constructor(
    readonly name: string,
    protected readonly hosting: Hosting,
  ) {
    this.disk = new Disk(name);
    this.disk.create(this.bootIdFile);
    this.disk.sound.add(this.bootIdFile);
    this.disk.create(`${this.directory}/lost+found`);
    network().hosts.set(name, { name, up: true, slowness: 1 });
    this.boot();
    this.disk.keepNames();
  }

  get directory(): string {
    return `/${this.name}/replica`;
  }
  get bootIdFile(): string {
    return `/${this.name}/boot_id`;
  }
  get bootId(): string {
    return `${this.name}-boot-${this.boots}`;
  }
  get address(): string {
    return `${this.name}:${CONTROL_PORT}`;
  }
  get isUp(): boolean {
    return network().hosts.get(this.name)?.up === true;
  }

  private boot(): void {
    this.boots++;
    const { text } = this.disk.find(this.bootIdFile);
    text.set(Buffer.from(this.bootId));
    text.sync();
  }

  spawn(name: string): Process {
    const process = new Process(`${name}@${this.name}`, this.name);
    process.clockAheadMs = this.clockAheadMs;
    this.processes.add(process);
    process.onDeath(() => this.processes.delete(process));
    return process;
  }

  /** For all that runs on it, now and later: a restart does not set the clock right. */
  jumpClock(ms: number): void {
    this.clockAheadMs += ms;
    for (const process of this.processes) process.clockAheadMs = this.clockAheadMs;
  }

  /** Starts the daemon, now and whenever it has died. */
  startReplica(): void {
    this.isWanted = true;
    if (this.replica !== null || !this.isUp) return;
    const process = this.spawn("replica");
    const replica: NonNullable<Machine["replica"]> = { process, hosted: null };
    this.replica = replica;
    process.onDeath(() => {
      this.replica = null;
      simulation().after(RESTART_MS, null, () => {
        if (this.isWanted) this.startReplica();
      });
    });
    const log = this.hosting.log(process);
    void process.run(() =>
      this.open(log).then(
        (hosted) => (replica.hosted = hosted),
        (err: unknown) => {
          log.warn({ err }, "the daemon ends");
          simulation().after(0, null, () => process.die());
        },
      ),
    );
  }

  /** @returns null where no data are kept */
  protected async open(log: Logger): Promise<HostedReplica | null> {
    const { volume, size, managed } = this.hosting;
    const options = {
      ...{ directory: this.directory, size, volume, replicaId: `replica-${this.name}`, startClosed: managed },
      ...{ cache: "writeback" as const, backingFile: null, bootIdFile: this.bootIdFile },
    };
    const hosted = await HostedReplica.open(options, log);
    hosted.listen({ host: this.name, port: DATA_PORT });
    await serveControl(hosted, this.name, CONTROL_PORT, log);
    if (managed) await this.serveSyncAgent(hosted, log);
    return hosted;
  }

  private async serveSyncAgent(hosted: HostedReplica, log: Logger): Promise<void> {
    const options = {
      ...{ directory: this.directory, replicaAddress: this.address, volumeName: this.hosting.volume },
      ...{ instanceName: undefined, ports: RECEIVER_PORTS, backingFile: null, rateLimit: null },
      ...{ limitsRate: null, purging: () => hosted.current?.purge ?? null },
      whileRead: <T>(work: () => Promise<T>) => hosted.whileRead(work),
      hashLockPath: `/${this.name}/hash.lock`,
    };
    await serveSyncAgent(options, this.name, SYNC_AGENT_PORT, log);
  }

  /** What a manager does before it starts an engine: an end in order, or a sudden one, and another beginning. */
  restartReplica(inOrder: boolean): void {
    const { replica } = this;
    this.isWanted = true;
    if (replica === null) {
      this.startReplica();
      return;
    }
    const { process, hosted } = replica;
    const kill = () => process.die();
    if (!inOrder || hosted === null) {
      kill();
      return;
    }
    simulation().after(STOP_MS, null, kill);
    const end = () => simulation().after(0, null, kill);
    process.run(() => hosted.close()).then(end, end);
  }

  /** The daemon ends, and is started again after a while. */
  killReplica(downMs: number): void {
    this.isWanted = false;
    this.replica?.process.die();
    simulation().after(downMs, null, () => this.startReplica());
  }

  /** What an operator does with a copy that nobody wants. */
  emptyDirectory(): void {
    this.replica?.process.die();
    for (const path of [...this.disk.names.keys()])
      if (path.startsWith(`${this.directory}/`) && !path.endsWith("lost+found")) this.disk.unlink(path);
    this.disk.keepNames();
  }

  /** @returns puts it back to what it is now, after which the daemon is started again */
  backUpDirectory(): () => void {
    const backup = this.disk.backup(this.directory);
    return () => {
      this.replica?.process.die();
      this.disk.restore(this.directory, backup);
      if (this.isWanted) this.startReplica();
    };
  }

  /** Everything on it dies, and what was not synced is lost. */
  cutPower(): void {
    const host = network().hosts.get(this.name);
    if (host !== undefined) host.up = false;
    for (const process of [...this.processes]) process.die();
    this.disk.cutPower(simulation().random);
  }

  powerOn(): void {
    if (this.isUp) return;
    this.boot();
    network().powerOn(this.name);
    if (this.isWanted) this.startReplica();
  }
}
