/** What every store does: run for each of them. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { spawn } from "node:child_process";
import { once } from "node:events";
import t, { type Test } from "tap";
import { openSqlite } from "./sqlite.js";
import { SqliteStore } from "./sqlite-store.js";
import { modify, type Change, type Store } from "./store.js";

type OpenStore = (t: Test) => Store;

const STORES: Record<string, OpenStore> = {
  sqlite: (t) => {
    const store = SqliteStore.open(":memory:");
    t.teardown(() => store.close());
    return store;
  },
};

const volume = (name: string) => ({ kind: "Volume", name, spec: { size: "1073741824" } }) as const;

for (const [name, open] of Object.entries(STORES)) {
  t.test(`${name}: what is left out of a new object has its zero value`, async (t) => {
    const store = open(t);
    const made = await store.create({ ...volume("v"), labels: { a: "b" } });
    t.match(made.spec, { size: "1073741824", numberOfReplicas: 0, frontend: "", diskSelector: [] });
    t.match(made.status, { state: "", cloneStatus: { attemptCount: 0 }, conditions: [] });
    t.match(made.metadata, { generation: 1, deletionTimestamp: "", labels: { a: "b" } });
    t.strictSame(await store.get("Volume", "v"), made);
    t.equal(await store.get("Volume", "w"), null);
    t.equal(await store.get("Engine", "v"), null);
  });

  t.test(`${name}: an object that is not as its kind has it is refused, and nothing is stored`, async (t) => {
    const store = open(t);
    const wrong: [object, RegExp][] = [
      [{ size: 1 }, /Volume v: spec\.size: Expected string/],
      [{ size: "1.5" }, /spec\.size/],
      [{ sise: "1" }, /spec\.sise: Unexpected property, not "1"/],
      [{ frontend: "nfs" }, /spec\.frontend/],
      [{ nodeSelector: "a" }, /spec\.nodeSelector/],
      [{ numberOfReplicas: 1.5 }, /spec\.numberOfReplicas/],
    ];
    for (const [spec, message] of wrong)
      await t.rejects(store.create({ kind: "Volume", name: "v", spec }), { code: "INVALID", message });
    for (const name of ["", "A", "a/b", "a".repeat(254), "-a"])
      await t.rejects(store.create(volume(name)), { code: "INVALID" });
    t.strictSame(await store.list("Volume"), []);
    await store.create(volume("v"));
    await t.rejects(store.create(volume("v")), { code: "EXISTS" });
  });

  t.test(`${name}: who was slower is told so, and tries again`, async (t) => {
    const store = open(t);
    const first = await store.create(volume("v"));
    const second = structuredClone(first);
    first.spec.nodeID = "a";
    const stored = await store.update(first);
    t.match(stored.metadata, { generation: 2 });
    second.spec.nodeID = "b";
    await t.rejects(store.update(second), { code: "CONFLICT" });
    await t.rejects(store.updateStatus(second), { code: "CONFLICT" });
    t.equal((await store.get("Volume", "v"))?.spec.nodeID, "a");
    const count = async () => {
      await modify(store, "Volume", "v", "spec", ({ spec }) => {
        spec.numberOfReplicas++;
      });
    };
    await Promise.all(Array.from({ length: 20 }, count));
    t.equal((await store.get("Volume", "v"))?.spec.numberOfReplicas, 20);
    t.equal(await modify(store, "Volume", "none", "spec", () => undefined), null);
  });

  t.test(`${name}: spec and status are stored apart, and no change is no version`, async (t) => {
    const store = open(t);
    const made = await store.create(volume("v"));
    made.status.state = "attached";
    t.equal((await store.update(made)).status.state, "");
    t.equal((await store.update(made)).metadata.resourceVersion, made.metadata.resourceVersion);
    made.spec.nodeID = "a";
    const stored = await store.updateStatus(made);
    t.match(stored, { spec: { nodeID: "" }, status: { state: "attached" }, metadata: { generation: 1 } });
    t.not(stored.metadata.resourceVersion, made.metadata.resourceVersion);
  });

  t.test(`${name}: what is deleted stays until its last finalizer is gone`, async (t) => {
    const store = open(t);
    const made = await store.create({ ...volume("v"), finalizers: ["longhorn.io"] });
    await t.rejects(store.delete("Volume", "v", "another"), { code: "MISSING" });
    await store.delete("Volume", "v", made.metadata.uid);
    await store.delete("Volume", "v");
    const marked = await store.get("Volume", "v");
    t.not(marked?.metadata.deletionTimestamp, "");
    await modify(store, "Volume", "v", "spec", ({ metadata }) => void (metadata.finalizers = []));
    t.equal(await store.get("Volume", "v"), null);
    await store.delete("Volume", "v");
    const again = await store.create(volume("v"));
    await t.rejects(store.update(made), { code: "MISSING" });
    await store.delete("Volume", "v", again.metadata.uid);
    t.strictSame(await store.list("Volume"), []);
  });

  t.test(`${name}: a list is sorted, and chosen by labels`, async (t) => {
    const store = open(t);
    await store.create({ ...volume("b"), labels: { x: "1" } });
    await store.create({ ...volume("a"), labels: { x: "1", y: "2" } });
    await store.create(volume("c"));
    const names = async (labels?: Record<string, string>) =>
      (await store.list("Volume", labels)).map(({ metadata }) => metadata.name);
    t.strictSame(await names(), ["a", "b", "c"]);
    t.strictSame(await names({ x: "1" }), ["a", "b"]);
    t.strictSame(await names({ x: "1", y: "2" }), ["a"]);
    t.strictSame(await names({ x: "2" }), []);
  });

  t.test(`${name}: a watch tells what is there, and then every change, once and in order`, async (t) => {
    const store = open(t);
    await store.create(volume("a"));
    const seen: string[] = [];
    const note = ({ change, object }: Change<"Volume">) =>
      seen.push(`${change} ${object.metadata.name} ${object.spec.numberOfReplicas}`);
    const end = store.watch("Volume", { onChange: note, onSynced: () => seen.push("SYNCED") });
    await store.create({ ...volume("b"), finalizers: ["f"] });
    await modify(store, "Volume", "a", "spec", ({ spec }) => void (spec.numberOfReplicas = 2));
    await modify(store, "Volume", "a", "spec", () => undefined);
    await store.delete("Volume", "b");
    await store.delete("Volume", "a");
    await store.create({ kind: "Engine", name: "e", spec: {} });
    while (seen.length < 6) await turn();
    t.strictSame(seen, ["ADDED a 0", "SYNCED", "ADDED b 0", "MODIFIED a 2", "MODIFIED b 0", "DELETED a 2"]);
    end();
    await store.create(volume("c"));
    await turn();
    t.equal(seen.length, 6);
  });

  t.test(`${name}: what was read or told is nobody else's`, async (t) => {
    const store = open(t);
    const told: Change<"Volume">[] = [];
    store.watch("Volume", { onChange: (change) => told.push(change) });
    const made = await store.create(volume("v"));
    await turn();
    for (const object of [
      made,
      await store.get("Volume", "v"),
      ...(await store.list("Volume")),
      told[0]?.object,
    ])
      object?.spec.nodeSelector.push("mine");
    t.strictSame((await store.get("Volume", "v"))?.spec.nodeSelector, []);
  });

  t.test(`${name}: a closed store answers so`, async (t) => {
    const store = open(t);
    await store.close();
    await t.rejects(store.get("Volume", "v"), { code: "CLOSED" });
    await t.rejects(store.create(volume("v")), { code: "CLOSED" });
  });
}

function directory(t: Test): string {
  const path = mkdtempSync(join(tmpdir(), "aurochs-store-"));
  t.teardown(() => rmSync(path, { recursive: true }));
  return path;
}

t.test("sqlite: all that was answered is there after kill -9", async (t) => {
  const path = join(directory(t), "manager.db");
  for (let round = 0; round < 3; round++) {
    const child = spawn(
      process.execPath,
      [fileURLToPath(new URL("testing/writer.js", import.meta.url)), path],
      {
        stdio: ["ignore", "pipe", "inherit"],
      },
    );
    let last = "";
    let text = "";
    child.stdout.on("data", (data: Buffer) => {
      text += data.toString();
      const lines = text.split("\n");
      text = lines.pop() ?? "";
      last = lines.at(-1) ?? last;
      if (Number(last.split(" ")[1]) > 50) child.kill("SIGKILL");
    });
    await once(child, "close");
    const store = SqliteStore.open(path);
    const [name = "", count] = last.split(" ");
    const found = (await store.get("Volume", name))?.spec.numberOfReplicas ?? 0;
    t.ok(found === Number(count) || found === Number(count) + 1, `${found} after ${count}`);
    await store.close();
  }
});

t.test("sqlite: versions go on after a restart, and one process has it at a time", async (t) => {
  const path = join(directory(t), "manager.db");
  const first = SqliteStore.open(path);
  const { metadata } = await first.create(volume("v"));
  await first.delete("Volume", "v");
  t.throws(() => SqliteStore.open(path), { name: "DatabaseError", message: /locked/ });
  await first.close();
  const second = SqliteStore.open(path);
  const again = await second.create(volume("v"));
  t.ok(Number(again.metadata.resourceVersion) > Number(metadata.resourceVersion) + 1);
  await second.close();
});

t.test("sqlite: a file that is not ours, or of a later version, is refused and left as it is", async (t) => {
  const place = directory(t);
  const foreign = openSqlite(join(place, "foreign.db"));
  foreign.exec("CREATE TABLE t (x)");
  foreign.close();
  t.throws(() => SqliteStore.open(join(place, "foreign.db")), { message: /was not made by this program/ });
  const later = join(place, "later.db");
  await SqliteStore.open(later).close();
  const raw = openSqlite(later);
  raw.exec("PRAGMA user_version = 1000");
  raw.close();
  t.throws(() => SqliteStore.open(later), { message: /version 1000/ });
  t.throws(() => SqliteStore.open(join(place, "no", "such.db")), { name: "DatabaseError" });
});
