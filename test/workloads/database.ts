/** What the runs ask of a database, whichever it is. */
import type { SqlClient } from "./sql-client.js";

export const DATABASES = ["sqlite-wal", "sqlite-delete", "postgres"] as const;
export type DatabaseName = (typeof DATABASES)[number];

export interface Database {
  /** connections that write at the same time */
  readonly writers: number;
  /** Makes an empty one in the directory. */
  create(): Promise<void>;
  /** As after a boot: what has to be recovered it recovers by itself. @throws when it does not come up */
  start(): Promise<void>;
  connect(): Promise<SqlClient>;
  /** Ends all its processes at once, in the middle of whatever they do. */
  kill(): Promise<void>;
  stop(): Promise<void>;
  /** What its own checkers find wrong, in words. It is up before and after. */
  check(): Promise<string[]>;
}
