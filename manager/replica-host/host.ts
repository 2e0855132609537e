/** The replicas of a node in one process, and the witnesses of other volumes: hosted and let go one by one, each on ports of its
 * own. */
import type { Logger } from "pino";
import type { HostedReplica, HostRequest } from "../../proto/instance-manager.js";
import { runReplica } from "../../replica/main.js";
import { runWitness } from "../../replica/witness-server.js";
import { parseArguments, type Flag } from "../longhorn-command/arguments.js";
import { commandOf, REPLICA_COMMAND, REPLICA_FLAGS, replicaOptions } from "../longhorn-command/replica.js";
import { WITNESS_COMMAND, WITNESS_FLAGS, witnessOptions } from "../longhorn-command/witness.js";
import { Serial } from "../../replica/serial.js";

/** Where the lines about one replica go. */
export interface ReplicaLog {
  log: Logger;
  close(): void;
}

interface Running {
  directory: string;
  host: string;
  port: number;
  stop(): Promise<void>;
}

interface Hosted {
  replica: HostedReplica;
  running: Running;
  log: ReplicaLog;
}

export class ReplicaHost {
  readonly #hosted = new Map<string, Hosted>();
  /** by name: what is done to one replica is done in turn */
  readonly #turns = new Map<string, Serial>();
  readonly #watchers = new Set<(replica: HostedReplica, gone: boolean) => void>();
  #stopping = false;

  constructor(
    private readonly openLog: (file: string) => ReplicaLog,
    private readonly log: Logger,
  ) {}

  list(): HostedReplica[] {
    return [...this.#hosted.values()].map(({ replica }) => replica);
  }

  /** @returns what ends it */
  watch(watcher: (replica: HostedReplica, gone: boolean) => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** @throws {Error} and then it is not hosted */
  host(request: HostRequest): Promise<HostedReplica> {
    return this.#inTurn(request.name, () => this.#host(request));
  }

  async #host({ name, args, logFile }: HostRequest): Promise<HostedReplica> {
    if (this.#stopping) throw new Error("the replica host is about to end");
    const present = this.#hosted.get(name);
    if (present !== undefined) {
      if (JSON.stringify(present.replica.args) === JSON.stringify(args)) return present.replica;
      throw new Error(`replica ${name} is hosted with other arguments`);
    }
    const start = starterOf(args);
    const log = this.openLog(logFile);
    try {
      const running = await start(log.log.child({ replica: name }));
      const { directory, host, port } = running;
      const replica = { name, args, directory, host, port };
      this.#hosted.set(name, { replica, running, log });
      this.log.info({ replica: name, directory, host, port }, "replica hosted");
      this.#tell(replica, false);
      return replica;
    } catch (err) {
      log.log.error({ err, replica: name }, "replica could not be hosted");
      log.close();
      throw err;
    }
  }

  unhost(name: string): Promise<void> {
    return this.#inTurn(name, async () => {
      const hosted = this.#hosted.get(name);
      if (hosted === undefined) return;
      await hosted.running.stop();
      this.#hosted.delete(name);
      hosted.log.close();
      this.log.info({ replica: name }, "replica let go");
      this.#tell(hosted.replica, true);
    });
  }

  /** All are closed in order. Idempotent. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all([...this.#turns.keys()].map((name) => this.unhost(name)));
  }

  #tell(replica: HostedReplica, gone: boolean): void {
    for (const watcher of this.#watchers) watcher(replica, gone);
  }

  async #inTurn<T>(name: string, work: () => Promise<T>): Promise<T> {
    const turn = this.#turns.get(name) ?? new Serial();
    this.#turns.set(name, turn);
    try {
      return await turn.run(work);
    } finally {
      if (turn.isIdle && !this.#hosted.has(name) && this.#turns.get(name) === turn) this.#turns.delete(name);
    }
  }
}

/** @throws {Error} the arguments are no replica's, and no witness' */
function starterOf(args: readonly string[]): (log: Logger) => Promise<Running> {
  const command = commandOf(args);
  if (command === null) throw new Error("the arguments name no command");
  const parsed = (flags: readonly Flag[]) => parseArguments(flags, command.argv, "anywhere");
  switch (command.name) {
    case REPLICA_COMMAND: {
      const { options, args: positional } = parsed(REPLICA_FLAGS);
      const wanted = replicaOptions(command.globals, options, positional);
      return async (log) => {
        const daemon = await runReplica([wanted], log);
        const { directory, host, port } = wanted;
        return { directory, host, port: daemon.replicas[0]?.port ?? port, stop: () => daemon.stop() };
      };
    }
    case WITNESS_COMMAND: {
      const { options, args: positional } = parsed(WITNESS_FLAGS);
      const wanted = witnessOptions(command.globals, options, positional);
      return async (log) => ({ ...wanted, ...(await runWitness(wanted, log)) });
    }
    default:
      throw new Error("the arguments are not those of a replica");
  }
}
