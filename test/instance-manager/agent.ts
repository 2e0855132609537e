/** A node's agent as a process of its own, and its clients. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { freePorts } from "../../cli/free-ports.js";
import { isHealthy } from "../../manager/instance-manager/health-probe.js";
import type { InstanceRecord } from "../../manager/instance-manager/records.js";
import {
  InstanceService,
  ProcessManagerService,
  ProxyEngineService,
  type InstanceResponse,
} from "../../proto/instance-manager.js";
import { unaryClient, type Calls } from "../../proto/unary.js";
import { IscsiIo } from "../tools/iscsi-io.js";
import { isAlive, processesNaming, startDaemon, waitFor, type Daemon } from "../tools/process.js";

export const CALL = { timeoutMs: 60_000 };
export const WAIT_MS = 60_000;
export const SIZE = 16 << 20;

const PORTS = 100;

interface Clients {
  instances: Calls<typeof InstanceService>;
  processes: Calls<typeof ProcessManagerService>;
  proxy: Calls<typeof ProxyEngineService>;
}

/** An instance that runs, as the agent told. */
export interface Running {
  name: string;
  uuid: string;
  port: number;
}

export class Agent implements Clients {
  readonly directory = mkdtempSync(join(tmpdir(), "aurochs-agent-"));
  readonly stateDirectory = join(this.directory, "state");
  readonly #bootIdFile = join(this.directory, "boot");
  #close: (() => void)[] = [];
  readonly #initiators: IscsiIo[] = [];
  #base = 0;
  #first = 0;
  process!: Daemon;
  instances!: Clients["instances"];
  processes!: Clients["processes"];
  proxy!: Clients["proxy"];

  constructor(t: { teardown: (end: () => Promise<void>) => void }) {
    writeFileSync(this.#bootIdFile, "boot-1");
    t.teardown(() => this.#end());
  }

  get ports() {
    const base = this.#base;
    return { processManager: base, proxy: base + 1, disk: base + 2, instance: base + 3 };
  }

  /** Starts it, or starts it again at the same ports. */
  async start(flags: string[] = [], ports = PORTS): Promise<this> {
    if (this.#base === 0) [this.#base = 0, this.#first = 0] = [...(await freePorts([], 1, 4)), ...(await freePorts([], 1, ports))]; // prettier-ignore
    this.process = startDaemon("bin/aurochs", [
      ...["instance-manager", "--state-dir", this.stateDirectory, "--listen", `127.0.0.1:${this.#base}`],
      ...["--port-range", `${this.#first}-${this.#first + ports - 1}`, "--boot-id-file", this.#bootIdFile],
      ...flags,
    ]);
    await waitFor("the agent to serve", WAIT_MS, async () => {
      if (!isAlive(this.process.pid)) throw new Error(`the agent ended:\n${this.process.output()}`);
      return (await isHealthy(`127.0.0.1:${this.ports.instance}`)) ? true : undefined;
    });
    this.#connect();
    return this;
  }

  #connect(): void {
    for (const close of this.#close) close();
    const { instance, processManager, proxy } = this.ports;
    const instances = unaryClient(InstanceService, `127.0.0.1:${instance}`);
    const processes = unaryClient(ProcessManagerService, `127.0.0.1:${processManager}`);
    const proxies = unaryClient(ProxyEngineService, `127.0.0.1:${proxy}`);
    this.#close = [instances.close, processes.close, proxies.close];
    [this.instances, this.processes, this.proxy] = [instances.calls, processes.calls, proxies.calls];
  }

  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    this.process.child.kill(signal);
    await this.process.ended;
  }

  /** The machine restarts, as far as the agent can tell. */
  reboot(): void {
    writeFileSync(this.#bootIdFile, `boot-${Date.now()}`);
  }

  // -------------------------------------------------------------------------------------------- instances

  /** As Longhorn's manager starts one; but for a loopback address. */
  async replica(name: string, volume = "vol", flags: string[] = []): Promise<Running> {
    const directory = join(this.directory, "disk", "replicas", name);
    mkdirSync(directory, { recursive: true });
    return this.create(
      name,
      10,
      ["--listen,127.0.0.1:"],
      [
        ...["--volume-name", volume, "replica", directory, "--size", String(SIZE)],
        ...["--replica-instance-name", name, "--snapshot-max-count", "250", "--snapshot-max-size", "0"],
        ...["--sync-agent-port-count", "7", "--boot-id-file", this.#bootIdFile, ...flags],
      ],
    );
  }

  /** One whose target has a port of its own: the next one. */
  engine(
    name: string,
    replicas: readonly Running[],
    volume = "vol",
    flags: readonly string[] = [],
  ): Promise<Running> {
    return this.create(
      name,
      2,
      ["--listen,127.0.0.1:", "--portal,127.0.0.1:"],
      [
        ...["--engine-instance-name", name, "controller", volume, "--frontend", "tgt-iscsi"],
        ...["--size", String(SIZE), "--current-size", String(SIZE), "--boot-id-file", this.#bootIdFile],
        ...replicas.flatMap(({ port }) => ["--replica", `tcp://127.0.0.1:${port}`]),
        ...flags,
      ],
    );
  }

  async create(name: string, portCount: number, portArgs: string[], args: string[]): Promise<Running> {
    await this.instances.instanceCreate(
      {
        spec: {
          ...{ backendStoreDriver: 0, dataEngine: 0, name, type: "", volumeName: "", portCount, portArgs },
          ...{ processInstanceSpec: { binary: resolve("bin/longhorn"), args }, spdkInstanceSpec: null },
          ...{ upgradeRequired: false, initiatorAddress: "", targetAddress: "" },
        },
      },
      CALL,
    );
    return this.reaches(name, "running");
  }

  async get(name: string): Promise<InstanceResponse> {
    return this.instances.instanceGet({ name }, CALL);
  }

  /** Waits until an instance has a state. @throws with its log when it is over instead */
  async reaches(name: string, state: string): Promise<Running> {
    return waitFor(`${name} to be ${state}`, WAIT_MS, async () => {
      const { status } = await this.get(name);
      if (status?.state === state) return { name, uuid: status.uuid, port: status.portStart };
      if (status?.state === "error") throw new Error(`${name}: ${status.errorMsg}\n${this.log(name)}`);
      return undefined;
    });
  }

  /** Deletes one and waits until it is gone. */
  async remove(name: string): Promise<void> {
    await this.instances.instanceDelete({ name }, CALL);
    await waitFor(`${name} to be gone`, WAIT_MS, async () => {
      const { instances } = await this.instances.instanceList({}, CALL);
      return name in instances ? undefined : true;
    });
  }

  log(name: string): string {
    try {
      return readFileSync(join(this.stateDirectory, "logs", `${name}.log`), "utf8");
    } catch {
      return "";
    }
  }

  record(name: string): InstanceRecord {
    const path = join(this.stateDirectory, "instances", `${name}.json`);
    return JSON.parse(readFileSync(path, "utf8")) as InstanceRecord;
  }

  /** Of its process, once that is recorded. */
  pid(name: string): Promise<number> {
    return waitFor(`the process of ${name}`, WAIT_MS, () => this.record(name).process?.pid);
  }

  get replicaHostPid(): number {
    const path = join(this.stateDirectory, "replica-host.json");
    return (JSON.parse(readFileSync(path, "utf8")) as { pid: number }).pid;
  }

  /** All that were started for this agent, whether it knows them or not. */
  get replicaHosts(): number[] {
    return processesNaming(join(this.stateDirectory, "replica-host.sock"));
  }

  target({ port }: Running, volume = "vol"): string {
    return `iscsi://127.0.0.1:${port + 1}/iqn.2019-10.io.longhorn:${volume}/1`;
  }

  /** An initiator that logs in again when its connection ends, as the kernel's does. */
  async connect(engine: Running, volume = "vol"): Promise<IscsiIo> {
    const io = await IscsiIo.connect(this.target(engine, volume), undefined, { reconnects: true });
    this.#initiators.push(io);
    return io;
  }

  /** Ends whatever runs, by the agent's records, and removes all data. */
  async #end(): Promise<void> {
    for (const close of this.#close) close();
    for (const io of this.#initiators) io.kill();
    if (isAlive(this.process.pid)) await this.kill();
    const folder = join(this.stateDirectory, "instances");
    const pids = readdirSync(folder)
      .filter((file) => file.endsWith(".json"))
      .map((file) => this.record(decodeURIComponent(file.slice(0, -".json".length))).process?.pid ?? 0)
      .concat(this.replicaHosts);
    for (const pid of pids) if (pid > 0 && isAlive(pid)) process.kill(pid, "SIGKILL");
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** One of ours that is killed. */
export async function killProcess(pid: number): Promise<void> {
  process.kill(pid, "SIGKILL");
  await waitFor(`process ${pid} to end`, WAIT_MS, () => (isAlive(pid) ? undefined : true));
}
