/** PostgreSQL, with data checksums and everything durable, as Debian packages it. */
import { chownSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { run, startDaemon, waitFor, type Daemon } from "../tools/process.js";
import type { Database } from "./database.js";
import { SqlClient } from "./sql-client.js";

const VERSION = "15";
const PROGRAMS = `/usr/lib/postgresql/${VERSION}/bin`;
/** PostgreSQL refuses to run as root: Debian's `nobody` and `nogroup`. */
const USER = { uid: 65534, gid: 65534 };
const NAME = "bank";
const WRITERS = 4;
const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 60_000;

const SETTINGS = {
  fsync: "on",
  full_page_writes: "on",
  synchronous_commit: "on",
  listen_addresses: "",
  shared_buffers: "16MB",
  // Checkpoints often, so that cuts meet them.
  max_wal_size: "8MB",
  min_wal_size: "4MB",
  checkpoint_timeout: "30s",
  autovacuum_naptime: "5s",
  // A crash leaves nothing outside the directory, and is seen.
  dynamic_shared_memory_type: "mmap",
  restart_after_crash: "off",
};

export class Postgres implements Database {
  readonly writers = WRITERS;
  private readonly data: string;
  private server: Daemon | undefined;
  private clients: SqlClient[] = [];

  /** @param directory on the volume
   * @param sockets another one, not on the volume, that the server may write to */
  constructor(
    directory: string,
    private readonly sockets: string,
  ) {
    this.data = join(directory, "postgres");
  }

  async create(): Promise<void> {
    mkdirSync(this.data);
    chownSync(this.data, USER.uid, USER.gid);
    mkdirSync(this.sockets, { recursive: true });
    chownSync(this.sockets, USER.uid, USER.gid);
    const options = ["--data-checksums", "--no-locale", "--encoding=UTF8", "--auth=trust", "--wal-segsize=1"];
    await run(join(PROGRAMS, "initdb"), ["-D", this.data, "-U", NAME, ...options], { ...USER, cwd: "/" });
    await this.start();
    await run(join(PROGRAMS, "createdb"), [...this.address(), NAME]);
  }

  async start(): Promise<void> {
    const settings = { ...SETTINGS, unix_socket_directories: this.sockets };
    // In namespaces of its own: its first process takes the others along, and shared memory is nobody else's.
    const server = startDaemon(
      "unshare",
      [
        ...["--pid", "--ipc", "--fork", "--kill-child"],
        ...["setpriv", `--reuid=${USER.uid}`, `--regid=${USER.gid}`, "--clear-groups"],
        ...[join(PROGRAMS, "postgres"), "-D", this.data],
        ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
      ],
      { cwd: "/" },
    );
    this.server = server;
    let ended = false;
    void server.ended.then(() => (ended = true));
    await waitFor("PostgreSQL to accept connections", START_TIMEOUT_MS, async () => {
      if (ended) throw new Error(`PostgreSQL ended: ${server.output()}`);
      return run(join(PROGRAMS, "pg_isready"), [...this.address(), "-q"]).then(
        () => true,
        () => undefined,
      );
    }).catch((error: unknown) => {
      throw new Error(`${(error as Error).message}; PostgreSQL said:\n${server.output()}`, { cause: error });
    });
  }

  async connect(): Promise<SqlClient> {
    const settings = ["--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--set=ON_ERROR_STOP=1"];
    const client = new SqlClient("\\echo", join(PROGRAMS, "psql"), [
      ...settings,
      ...this.address(),
      "-d",
      NAME,
    ]);
    this.clients.push(client);
    await client.query("SELECT 1;");
    return client;
  }

  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.server?.ended;
    this.server = undefined;
    await Promise.all(this.clients.splice(0).map((client) => client.kill()));
  }

  async stop(): Promise<void> {
    for (const client of this.clients.splice(0)) await client.end();
    const { server } = this;
    if (server === undefined) return;
    let ended = false;
    void server.ended.then(() => (ended = true));
    this.signal("SIGINT");
    await waitFor("PostgreSQL to stop", STOP_TIMEOUT_MS, () => (ended ? true : undefined));
    this.server = undefined;
  }

  async check(): Promise<string[]> {
    const found: string[] = [];
    const add = (error: unknown): number => found.push((error as Error).message);
    const checks = ["--install-missing", "--heapallindexed", "--parent-check"];
    await run(join(PROGRAMS, "pg_amcheck"), [...this.address(), ...checks, NAME]).catch(add);
    await this.stop();
    await run(join(PROGRAMS, "pg_checksums"), ["--check", "-D", this.data], { ...USER, cwd: "/" }).catch(add);
    await this.start();
    return found;
  }

  private address(): string[] {
    return ["-h", this.sockets, "-U", NAME];
  }

  /** To the first process of the namespace. */
  private signal(signal: NodeJS.Signals): void {
    const children = `/proc/${this.server?.pid}/task/${this.server?.pid}/children`;
    if (!existsSync(children)) return;
    for (const pid of readFileSync(children, "utf8").trim().split(" "))
      if (pid !== "") process.kill(Number(pid), signal);
  }
}
