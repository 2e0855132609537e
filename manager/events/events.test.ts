import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { openDatabase } from "../store/database.js";
import { SqliteStore } from "../store/sqlite-store.js";
import type { NewEvent } from "./events.js";
import { EVENT_AGE_MS_MAX, EVENTS_MAX, MESSAGE_LENGTH_MAX } from "./limits.js";
import { SqliteEvents } from "./sqlite-events.js";

const attached = (name: string): NewEvent => ({
  type: "Normal",
  reason: "Attached",
  message: `volume ${name} is attached`,
  source: "longhorn-volume-controller",
  object: { kind: "Volume", name, uid: `uid-of-${name}` },
});

interface Opened {
  events: SqliteEvents;
  store: SqliteStore;
  close: () => Promise<void>;
}

function open(t: Test, path: string, now: () => number): Opened {
  const database = openDatabase(path);
  const events = SqliteEvents.on(database, now, (error) => t.fail(String(error)));
  const store = SqliteStore.on(database);
  return { events, store, close: async () => (await events.close(), store.close()) };
}

function inMemory(t: Test, now: () => number): SqliteEvents {
  const { events, close } = open(t, ":memory:", now);
  t.teardown(close);
  return events;
}

t.test("what happens again is counted, with the times of the first and the last", async (t) => {
  let now = Date.parse("2026-01-01T00:00:00Z");
  const events = inMemory(t, () => now);
  events.record(attached("a"));
  events.record(attached("b"));
  now += 60_000;
  events.record(attached("a"));
  events.record({ ...attached("a"), object: { kind: "Volume", name: "a", uid: "of another one" } });
  t.match(await events.list(), [
    { object: { name: "b" }, count: 1 },
    {
      object: { name: "a" },
      count: 2,
      firstTimestamp: "2026-01-01T00:00:00.000Z",
      lastTimestamp: "2026-01-01T00:01:00.000Z",
    },
    { object: { name: "a", uid: "of another one" }, count: 1 },
  ]);
});

t.test("events are there after a restart, beside the objects, and counted on", async (t) => {
  const directory = mkdtempSync(join(tmpdir(), "events-"));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const path = join(directory, "db");
  const first = open(t, path, Date.now);
  await first.store.create({ kind: "Volume", name: "a", spec: {} });
  first.events.record(attached("a"));
  const [recorded] = await first.events.list();
  await first.close();
  const second = open(t, path, Date.now);
  t.teardown(second.close);
  t.strictSame(await second.events.list(), [recorded]);
  t.ok(await second.store.get("Volume", "a"));
  second.events.record(attached("a"));
  t.match(await second.events.list(), [{ name: recorded?.name, count: 2 }]);
});

t.test("only the newest are kept, and none for long", async (t) => {
  let now = Date.parse("2026-01-01T00:00:00Z");
  const events = inMemory(t, () => now);
  for (let i = 0; i < EVENTS_MAX + 2; i++) events.record(attached(`v${i}`));
  const kept = await events.list();
  t.equal(kept.length, EVENTS_MAX);
  t.match(kept[0], { object: { name: "v2" } });
  now += EVENT_AGE_MS_MAX + 1;
  events.record({ ...attached("late"), message: "x".repeat(MESSAGE_LENGTH_MAX + 1) });
  const [late, ...others] = await events.list();
  t.strictSame(others, []);
  t.equal(late?.message.length, MESSAGE_LENGTH_MAX);
});

t.test("who watches is told", async (t) => {
  const events = inMemory(t, Date.now);
  const told = new Promise<void>((resolve) => {
    events.watch(resolve);
  });
  events.record(attached("a"));
  await told;
  t.equal((await events.list()).length, 1);
});
