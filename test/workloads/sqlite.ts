/** SQLite by its command-line program. */
import { join } from "node:path";
import type { Database } from "./database.js";
import { SqlClient } from "./sql-client.js";

const PROGRAM = "sqlite3";
/** Often, so that cuts meet it. */
const CHECKPOINT_PAGES = 100;

const SETTINGS = {
  wal: `PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES};`,
  // A commit is the removal of the journal: without EXTRA the directory is not synced, and a commit may be undone.
  delete: "PRAGMA journal_mode = DELETE; PRAGMA synchronous = EXTRA;",
} as const;

export class Sqlite implements Database {
  readonly writers = 1;
  private readonly clients = new Set<SqlClient>();

  constructor(
    private readonly journal: keyof typeof SETTINGS,
    private readonly directory: string,
  ) {}

  async create(): Promise<void> {
    // The first connection makes it.
  }

  async start(): Promise<void> {
    // The first connection recovers it.
  }

  async connect(): Promise<SqlClient> {
    const client = new SqlClient(".print", PROGRAM, ["-batch", "-bail", join(this.directory, "bank.db")]);
    this.clients.add(client);
    const [mode] = await client.query(SETTINGS[this.journal]);
    if (mode !== this.journal) throw new Error(`the journal mode is ${mode}`);
    return client;
  }

  async kill(): Promise<void> {
    await Promise.all([...this.clients].map((client) => client.kill()));
    this.clients.clear();
  }

  async stop(): Promise<void> {
    for (const client of this.clients) await client.end();
    this.clients.clear();
  }

  async check(): Promise<string[]> {
    const client = await this.connect();
    const found = await client.query("PRAGMA integrity_check;");
    await client.end();
    this.clients.delete(client);
    return found.filter((line) => line !== "ok");
  }
}
