/** The embedded store: an SQLite database, all of whose objects are in memory as well. */
import { randomUUID } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { checkName, checkSpec, checkStatus, InvalidObject } from "../objects/check.js";
import type { Kind } from "../objects/kinds.js";
import { KINDS } from "../objects/kinds.js";
import { isDeleted, type Metadata, type NewResource, type Resource } from "../objects/resource.js";
import { copyOf } from "./copy.js";
import { openDatabase } from "./database.js";
import { inTransaction, type Sqlite, type SqliteStatement } from "./sqlite.js";
import { StoreError, type Change, type Store, type WatchListener } from "./store.js";

interface Row {
  kind: string;
  name: string;
  body: string;
}

export class SqliteStore implements Store {
  readonly #objects = new Map<Kind, Map<string, Resource>>();
  readonly #watchers = new Map<Kind, Set<Watcher>>();
  readonly #put: SqliteStatement;
  readonly #remove: SqliteStatement;
  readonly #count: SqliteStatement;
  #version: number;
  #open = true;

  private constructor(private readonly database: Sqlite) {
    this.#put = database.prepare(
      "INSERT INTO objects VALUES (?, ?, ?, ?, ?) ON CONFLICT (kind, name) DO UPDATE SET uid = excluded.uid, version = excluded.version, body = excluded.body",
    );
    this.#remove = database.prepare("DELETE FROM objects WHERE kind = ? AND name = ?");
    this.#count = database.prepare("UPDATE versions SET latest = ?");
    this.#version = (database.prepare("SELECT latest FROM versions").get() as { latest: number }).latest;
    for (const kind of Object.keys(KINDS) as Kind[]) this.#objects.set(kind, new Map());
    for (const row of database.prepare("SELECT kind, name, body FROM objects").all()) this.#load(row as Row);
  }

  /** @param path of the database's file, or ":memory:"
   * @throws {DatabaseError | InvalidObject} */
  static open(path: string): SqliteStore {
    return SqliteStore.on(openDatabase(path));
  }

  /** @param database that is the store's from now on: others may use it, and the store closes it
   * @throws {InvalidObject} */
  static on(database: Sqlite): SqliteStore {
    try {
      return new SqliteStore(database);
    } catch (error) {
      database.close();
      throw error;
    }
  }

  /** Fields that a later program has added to a kind have their zero value in objects that were stored before. */
  #load({ kind, name, body }: Row): void {
    const stored = JSON.parse(body) as Resource;
    const objects = this.#objects.get(kind as Kind);
    if (objects === undefined) throw new InvalidObject(`${kind} ${name}: a kind that is not known`);
    const spec = checkSpec(stored.kind, name, stored.spec);
    objects.set(name, { ...stored, spec, status: checkStatus(stored.kind, name, stored.status) });
  }

  get<K extends Kind>(kind: K, name: string): Promise<Resource<K> | null> {
    return this.#run(() => copyOf(this.#of(kind).get(name) ?? null));
  }

  list<K extends Kind>(kind: K, labels: Record<string, string> = {}): Promise<Resource<K>[]> {
    const wanted = Object.entries(labels);
    return this.#run(() =>
      [...this.#of(kind).values()]
        .filter(({ metadata }) => wanted.every(([key, value]) => metadata.labels[key] === value))
        .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))
        .map((object) => copyOf(object)),
    );
  }

  watch<K extends Kind>(kind: K, listener: WatchListener<K>): () => void {
    const watcher = new Watcher(listener);
    for (const object of this.#of(kind).values()) watcher.tell({ change: "ADDED", object });
    watcher.synced();
    const watchers = this.#watchers.get(kind) ?? new Set();
    this.#watchers.set(kind, watchers.add(watcher));
    return () => {
      watcher.end();
      watchers.delete(watcher);
    };
  }

  create<K extends Kind>(given: NewResource<K>): Promise<Resource<K>> {
    return this.#run(() => {
      const { kind, name } = given;
      if (this.#of(kind).has(name)) throw new StoreError("EXISTS", `${kind} ${name} exists already`);
      const metadata: Metadata = {
        name,
        uid: randomUUID(),
        resourceVersion: this.#next(),
        generation: 1,
        creationTimestamp: new Date().toISOString(),
        deletionTimestamp: "",
        finalizers: given.finalizers ?? [],
        labels: given.labels ?? {},
        annotations: given.annotations ?? {},
        ownerReferences: given.ownerReferences ?? [],
      };
      const object = valid(() => {
        checkName(kind, name);
        const spec = checkSpec(kind, name, given.spec);
        return { kind, metadata, spec, status: checkStatus(kind, name, given.status ?? {}) };
      });
      return this.#store("ADDED", object);
    });
  }

  update<K extends Kind>(given: Resource<K>): Promise<Resource<K>> {
    return this.#run(() => {
      const present = this.#present(given);
      const { kind, metadata } = given;
      const { finalizers, labels, annotations, ownerReferences } = metadata;
      const spec = valid(() => checkSpec(kind, metadata.name, given.spec));
      const same = isDeepStrictEqual(spec, present.spec);
      const changed = { ...present.metadata, finalizers, labels, annotations, ownerReferences };
      if (same && isDeepStrictEqual(changed, present.metadata)) return copyOf(present);
      const generation = present.metadata.generation + (same ? 0 : 1);
      const next = { ...changed, generation, resourceVersion: this.#next() };
      const object = { kind, metadata: next, spec, status: present.status };
      if (isDeleted(object) && finalizers.length === 0) return this.#erase(object);
      return this.#store("MODIFIED", object);
    });
  }

  updateStatus<K extends Kind>(given: Resource<K>): Promise<Resource<K>> {
    return this.#run(() => {
      const present = this.#present(given);
      const { kind, metadata } = given;
      const status = valid(() => checkStatus(kind, metadata.name, given.status));
      if (isDeepStrictEqual(status, present.status)) return copyOf(present);
      const next = { ...present.metadata, resourceVersion: this.#next() };
      return this.#store("MODIFIED", { kind, metadata: next, spec: present.spec, status });
    });
  }

  delete(kind: Kind, name: string, uid?: string): Promise<void> {
    return this.#run(() => {
      const object = this.#of(kind).get(name);
      if (object === undefined) return;
      const { metadata } = object;
      if (uid !== undefined && metadata.uid !== uid)
        throw new StoreError(
          "MISSING",
          `${kind} ${name} is another object: its uid is ${metadata.uid}, not ${uid}`,
        );
      if (metadata.finalizers.length === 0) this.#erase(object);
      else if (!isDeleted(object)) {
        const deletionTimestamp = new Date().toISOString();
        this.#store("MODIFIED", {
          ...object,
          metadata: { ...metadata, deletionTimestamp, resourceVersion: this.#next() },
        });
      }
    });
  }

  close(): Promise<void> {
    if (this.#open) {
      this.#open = false;
      for (const watchers of this.#watchers.values()) for (const watcher of watchers) watcher.end();
      this.database.close();
    }
    return Promise.resolve();
  }

  // Promises, since other stores are far away.
  #run<T>(work: () => T): Promise<T> {
    return new Promise((resolve) => {
      if (!this.#open) throw new StoreError("CLOSED", "the store is closed");
      resolve(work());
    });
  }

  #of<K extends Kind>(kind: K): Map<string, Resource<K>> {
    return this.#objects.get(kind) as unknown as Map<string, Resource<K>>;
  }

  #present<K extends Kind>({ kind, metadata }: Resource<K>): Resource<K> {
    const { name, uid, resourceVersion } = metadata;
    const present = this.#of(kind).get(name);
    if (present?.metadata.uid !== uid) throw new StoreError("MISSING", `${kind} ${name} is gone`);
    if (present.metadata.resourceVersion !== resourceVersion)
      throw new StoreError("CONFLICT", `${kind} ${name} was changed since it was read`);
    return present;
  }

  #next(): string {
    return String(this.#version + 1);
  }

  #store<K extends Kind>(change: Change["change"], object: Resource<K>): Resource<K> {
    const { kind, metadata } = object;
    const version = Number(metadata.resourceVersion);
    inTransaction(this.database, () => {
      this.#put.run(kind, metadata.name, metadata.uid, version, JSON.stringify(object));
      this.#count.run(version);
    });
    this.#version = version;
    const kept = copyOf(object);
    this.#of(kind).set(metadata.name, kept);
    this.#tell(kind, { change, object: kept });
    return object;
  }

  #erase<K extends Kind>(object: Resource<K>): Resource<K> {
    const { kind, metadata } = object;
    const version = this.#version + 1;
    inTransaction(this.database, () => {
      this.#remove.run(kind, metadata.name);
      this.#count.run(version);
    });
    this.#version = version;
    this.#of(kind).delete(metadata.name);
    this.#tell(kind, { change: "DELETED", object });
    return object;
  }

  #tell(kind: Kind, change: Change): void {
    for (const watcher of this.#watchers.get(kind) ?? []) watcher.tell(change);
  }
}

/** Tells in order, and never while somebody changes the store: a listener may do so itself. */
class Watcher {
  readonly #waiting: (Change | "SYNCED")[] = [];
  #ended = false;

  constructor(private readonly listener: WatchListener<Kind>) {}

  tell({ change, object }: Change): void {
    this.#push({ change, object: copyOf(object) });
  }

  synced(): void {
    this.#push("SYNCED");
  }

  end(): void {
    this.#ended = true;
  }

  #push(event: Change | "SYNCED"): void {
    this.#waiting.push(event);
    if (this.#waiting.length === 1) setImmediate(() => this.#drain());
  }

  #drain(): void {
    while (this.#waiting.length > 0 && !this.#ended) {
      const event = this.#waiting[0] as Change | "SYNCED";
      if (event === "SYNCED") this.listener.onSynced?.();
      else this.listener.onChange(event);
      this.#waiting.shift();
    }
  }
}

function valid<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof InvalidObject) throw new StoreError("INVALID", error.message);
    throw error;
  }
}
