/** SQLite as Node.js brings it from version 22.13 on, or the package better-sqlite3: what both have in common. */
import { createRequire, isBuiltin } from "node:module";

export interface Sqlite {
  exec(statements: string): unknown;
  prepare(statement: string): SqliteStatement;
  close(): unknown;
}

export interface SqliteStatement {
  run(...values: SqliteValue[]): unknown;
  get(...values: SqliteValue[]): unknown;
  all(...values: SqliteValue[]): unknown[];
}

export type SqliteValue = string | number | null;

const require = createRequire(import.meta.url);

/** @param path of the file, which is made when it is missing, or ":memory:" */
export function openSqlite(path: string): Sqlite {
  const database = load(path);
  // Whoever else has it open keeps it: waiting would not help.
  database.exec("PRAGMA busy_timeout = 0");
  return database;
}

function load(path: string): Sqlite {
  if (isBuiltin("node:sqlite")) {
    const { DatabaseSync } = require("node:sqlite") as { DatabaseSync: new (path: string) => Sqlite };
    return new DatabaseSync(path);
  }
  const Database = require("better-sqlite3") as new (path: string) => Sqlite;
  return new Database(path);
}

/** Runs `work` in a transaction: all of it is durable then, or, when it throws, nothing of it was done. */
export function inTransaction(database: Sqlite, work: () => void): void {
  database.exec("BEGIN IMMEDIATE");
  try {
    work();
    database.exec("COMMIT");
  } catch (error) {
    database.exec("ROLLBACK");
    throw error;
  }
}
