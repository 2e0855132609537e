/** Events in the embedded store's database, all of which are in memory as well. */
import { randomBytes, randomUUID } from "node:crypto";
import { inTransaction, type Sqlite } from "../store/sqlite.js";
import type { Events, NewEvent, RecordedEvent } from "./events.js";
import { EVENT_AGE_MS_MAX, EVENTS_MAX, FLUSH_PERIOD_MS, MESSAGE_LENGTH_MAX } from "./limits.js";

export class SqliteEvents implements Events {
  /** by what they have in common, the one that happened longest ago first */
  readonly #events = new Map<string, RecordedEvent>();
  readonly #changed = new Set<RecordedEvent>();
  readonly #gone = new Set<string>();
  readonly #listeners = new Set<() => void>();
  #timer: NodeJS.Timeout | null = null;
  #open = true;

  private constructor(
    private readonly database: Sqlite,
    private readonly now: () => number,
    private readonly onError: (error: unknown) => void,
  ) {
    for (const row of database.prepare("SELECT body FROM events ORDER BY last").all()) {
      const event = JSON.parse((row as { body: string }).body) as RecordedEvent;
      this.#events.set(keyOf(event), event);
    }
  }

  /** @param database of the embedded store; it is closed by the store, after this
   * @param now ms since 1970
   * @param onError is told when events could not be written; they are tried again with the next ones */
  static on(database: Sqlite, now: () => number, onError: (error: unknown) => void): SqliteEvents {
    return new SqliteEvents(database, now, onError);
  }

  record(given: NewEvent): void {
    if (!this.#open) return;
    const message = given.message.slice(0, MESSAGE_LENGTH_MAX);
    const key = keyOf({ ...given, message });
    const at = new Date(this.now()).toISOString();
    const name = `${given.object.name}.${randomBytes(8).toString("hex")}`;
    const event = this.#events.get(key) ?? { ...given, message, name, uid: randomUUID(), count: 0, firstTimestamp: at, lastTimestamp: at }; // prettier-ignore
    event.count += 1;
    event.lastTimestamp = at;
    this.#events.delete(key);
    this.#events.set(key, event);
    this.#changed.add(event);
    this.#forgetOld();
    this.#timer ??= setTimeout(() => this.#flush(), FLUSH_PERIOD_MS);
  }

  list(): Promise<RecordedEvent[]> {
    this.#forgetOld();
    return Promise.resolve([...this.#events.values()].map((event) => structuredClone(event)));
  }

  watch(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): Promise<void> {
    if (this.#open) {
      this.#open = false;
      this.#flush();
      this.#listeners.clear();
    }
    return Promise.resolve();
  }

  #forgetOld(): void {
    const oldest = this.now() - EVENT_AGE_MS_MAX;
    for (const [key, event] of this.#events) {
      if (this.#events.size <= EVENTS_MAX && Date.parse(event.lastTimestamp) >= oldest) return;
      this.#events.delete(key);
      this.#changed.delete(event);
      this.#gone.add(event.name);
    }
  }

  #flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    try {
      this.#write();
    } catch (error) {
      this.onError(error);
    }
    for (const listener of this.#listeners) listener();
  }

  #write(): void {
    if (this.#changed.size + this.#gone.size === 0) return;
    const remove = this.database.prepare("DELETE FROM events WHERE name = ?");
    const put = this.database.prepare(
      "INSERT INTO events VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET last = excluded.last, body = excluded.body",
    );
    inTransaction(this.database, () => {
      for (const name of this.#gone) remove.run(name);
      for (const event of this.#changed)
        put.run(event.name, Date.parse(event.lastTimestamp), JSON.stringify(event));
    });
    this.#gone.clear();
    this.#changed.clear();
  }
}

function keyOf({ type, reason, message, source, object }: NewEvent): string {
  return JSON.stringify([object.kind, object.name, object.uid, type, reason, source, message]);
}
