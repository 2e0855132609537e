/**
 * The node's one replica daemon, as the agent sees it: started when a replica is to be hosted, found again after the agent's
 * end, started again when it crashes, and ended when nothing is hosted any more.
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import { ReplicaHost, ReplicaHostStreams, type HostRequest } from "../../proto/instance-manager.js";
import { follow } from "../../proto/server-stream.js";
import { isExpired, isUnavailable } from "../../proto/rpc-error.js";
import { unaryClient, type Calls } from "../../proto/unary.js";
import { replaceFile } from "../../replica/durable-file.js";
import { Backoff } from "./backoff.js";
import { isHealthy } from "./health-probe.js";
import {
  HOST_POLL_MS,
  HOST_START_TIMEOUT_MS,
  HOST_TIMEOUT_MS,
  STOP_TIMEOUT_MS,
  UNHOST_TIMEOUT_MS,
} from "./limits.js";
import { LivingProcess } from "./living-process.js";
import type { ProcessId } from "./proc.js";
import { Serial } from "../../replica/serial.js";
import { readStateFile } from "./state-file.js";
import { endingText } from "./status.js";

export interface ReplicaDaemonOptions {
  /** a program and its arguments; the socket's flag is added */
  command: readonly [string, ...string[]];
  stateDirectory: string;
  logsDirectory: string;
  bootId: string;
  /** it has crashed, and what was hosted has to be hosted again */
  onLost: () => void;
  log: Logger;
}

interface Connection {
  calls: Calls<typeof ReplicaHost>;
  close: () => void;
}

export function replicaHostLog(logsDirectory: string): string {
  return join(logsDirectory, "replica-host.log");
}

export class ReplicaDaemon {
  readonly #turns = new Serial();
  readonly #backoff = new Backoff();
  #process: LivingProcess | null = null;
  #connection: Connection | null = null;
  #stopping = false;
  /** replicas that are hosted, or are about to be */
  readonly #wanted = new Set<string>();
  #notBefore = 0;

  constructor(private readonly options: ReplicaDaemonOptions) {}

  /** null while it is not running */
  get pid(): number | null {
    return this.#process?.id.pid ?? null;
  }

  /** Where the process is served: below 108 characters, which is all that a socket's name may have. */
  get #socket(): string {
    return join(this.options.stateDirectory, "replica-host.sock");
  }

  get #record(): string {
    return join(this.options.stateDirectory, "replica-host.json");
  }

  get #exitFile(): string {
    return join(this.options.stateDirectory, "replica-host.exit");
  }

  /** Finds the daemon that an agent before this one has started in this boot.
   * @throws {Error} which one that was cannot be read */
  async adopt(): Promise<void> {
    const { bootId, log } = this.options;
    const id = (await readStateFile(this.#record)) as ProcessId | null;
    const found =
      (id === null ? null : LivingProcess.adopt(id, this.#exitFile, bootId)) ??
      LivingProcess.findMarked(this.#mark, this.#exitFile, bootId);
    if (found === null) return;
    log.info({ pid: found.id.pid }, "replica host found again");
    await this.#turns.run(() => this.#use(found));
  }

  /** The same for all daemons of this state directory: there is one at a time. */
  get #mark(): string {
    return `replica-host:${this.options.stateDirectory}`;
  }

  /** @throws {Error} it could not be hosted, or the daemon not be reached; of one that has taken too long nobody knows yet: it is to be asked
   * for again, or let go */
  async host(request: HostRequest): Promise<void> {
    this.#wanted.add(request.name);
    try {
      const { calls } = await this.#connected();
      await calls.host(request, { timeoutMs: HOST_TIMEOUT_MS });
    } catch (error) {
      if (!isUnavailable(error) && !isExpired(error)) this.#release(request.name);
      throw error;
    }
  }

  /** @throws {Error} the daemon could not be reached */
  async unhost(name: string): Promise<void> {
    if (this.#connection !== null)
      await this.#connection.calls.unhost({ name }, { timeoutMs: UNHOST_TIMEOUT_MS });
    this.#release(name);
  }

  #release(name: string): void {
    this.#wanted.delete(name);
    // What comes next is done after it, not this.
    if (this.#wanted.size === 0) void this.#turns.run(() => this.#stopIfIdle());
  }

  #connected(): Promise<Connection> {
    return this.#turns.run(async () => {
      if (this.#connection !== null) return this.#connection;
      const wait = this.#notBefore - Date.now();
      if (wait > 0) await sleep(wait);
      return this.#start();
    });
  }

  async #start(): Promise<Connection> {
    const { command, logsDirectory, bootId, log } = this.options;
    const [binary, ...args] = command;
    this.#backoff.started();
    const process = await LivingProcess.start({
      binary,
      args: [...args, "--socket", this.#socket],
      logFile: replicaHostLog(logsDirectory),
      exitFile: this.#exitFile,
      mark: this.#mark,
      bootId,
    });
    log.info({ pid: process.id.pid }, "replica host started");
    // It runs, and another agent finds it by its mark.
    await replaceFile(this.#record, JSON.stringify(process.id)).catch((err: unknown) => {
      log.error({ err }, "which process is the replica host could not be recorded");
    });
    return this.#use(process);
  }

  /** Waits until it serves. @throws {Error} it ended, or took too long */
  async #use(process: LivingProcess): Promise<Connection> {
    this.#process = process;
    void process.ended.then((ending) => this.#onEnded(process, endingText(ending)));
    const address = `unix:${this.#socket}`;
    const deadline = Date.now() + HOST_START_TIMEOUT_MS;
    while (!(await isHealthy(address))) {
      if (this.#process !== process)
        throw new Error("the replica host ended before it served: its log says why");
      if (Date.now() > deadline) {
        process.signal("SIGKILL");
        this.#process = null;
        throw new Error("the replica host does not serve");
      }
      await sleep(HOST_POLL_MS);
    }
    // Its end is noticed at once, also by an agent that is not its parent.
    void follow(ReplicaHostStreams.watch, address, {}, () => undefined).ended.then(() => process.look());
    const { calls, close } = unaryClient(ReplicaHost, address);
    return (this.#connection = { calls, close });
  }

  #onEnded(process: LivingProcess, how: string): void {
    // Another one may have been started since this one was given up.
    if (this.#process !== process) return;
    this.#process = null;
    this.#connection?.close();
    this.#connection = null;
    if (this.#stopping) return;
    this.#notBefore = Date.now() + this.#backoff.ended();
    this.options.log.error({ how, replicas: this.#wanted.size }, "the replica host has crashed");
    this.options.onLost();
  }

  async #stopIfIdle(): Promise<void> {
    const process = this.#process;
    if (this.#wanted.size > 0 || process === null) return;
    this.#stopping = true;
    process.signal("SIGTERM");
    const timer = setTimeout(() => process.signal("SIGKILL"), STOP_TIMEOUT_MS);
    await process.ended;
    clearTimeout(timer);
    this.#stopping = false;
  }
}
