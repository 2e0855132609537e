/** The file of the embedded store: its schema, and the way from older schemas to this one. */
import { inTransaction, openSqlite, type Sqlite } from "./sqlite.js";

/** Each brings a database from the version before to its own: the first one makes it. */
const MIGRATIONS: readonly string[] = [
  `CREATE TABLE objects (
     kind TEXT NOT NULL,
     name TEXT NOT NULL,
     uid TEXT NOT NULL UNIQUE,
     version INTEGER NOT NULL,
     body TEXT NOT NULL,
     PRIMARY KEY (kind, name)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE versions (latest INTEGER NOT NULL) STRICT;
   INSERT INTO versions VALUES (0)`,
  `CREATE TABLE events (
     name TEXT NOT NULL PRIMARY KEY,
     last INTEGER NOT NULL,
     body TEXT NOT NULL
   ) STRICT, WITHOUT ROWID`,
];

export class DatabaseError extends Error {
  override readonly name = "DatabaseError";
}

/** Opens a database, and brings it to the present schema. One process at a time has it open.
 * @param path of the file, or ":memory:"
 * @throws {DatabaseError} it is another process's, none of ours, damaged, or of a later version: nothing is changed then */
export function openDatabase(path: string): Sqlite {
  let database: Sqlite | null = null;
  try {
    database = openSqlite(path);
    prepare(database, path);
    return database;
  } catch (error) {
    database?.close();
    if (error instanceof DatabaseError) throw error;
    throw new DatabaseError(`${path}: ${(error as Error).message}`, { cause: error });
  }
}

/** "AUR\x01", told by `file` and by us. */
const APPLICATION_ID = 0x41555201;

function prepare(database: Sqlite, path: string): void {
  // Held until the end: two managers on one store would each believe what only the other one has changed.
  database.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE; COMMIT");
  const present = Number(pragma(database, "user_version"));
  const isNew = present === 0 && isEmpty(database);
  if (!isNew && pragma(database, "application_id") !== APPLICATION_ID)
    throw new DatabaseError(`${path}: this database was not made by this program`);
  if (present > MIGRATIONS.length)
    throw new DatabaseError(
      `${path}: its schema has version ${present}, this program knows ${MIGRATIONS.length} at most`,
    );
  const damage = pragma(database, "quick_check(1)");
  if (damage !== "ok") throw new DatabaseError(`${path}: ${String(damage)}`);
  // What was answered is durable, also past a power cut.
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
  for (const [index, statements] of MIGRATIONS.entries()) {
    const version = index + 1;
    if (version <= present) continue;
    inTransaction(database, () =>
      database.exec(
        `${statements}; PRAGMA user_version = ${version}; PRAGMA application_id = ${APPLICATION_ID}`,
      ),
    );
  }
}

function pragma(database: Sqlite, name: string): unknown {
  const row = database.prepare(`PRAGMA ${name}`).get() as Record<string, unknown>;
  return Object.values(row)[0];
}

function isEmpty(database: Sqlite): boolean {
  return database.prepare("SELECT 1 FROM sqlite_schema LIMIT 1").get() === undefined;
}
