/** Snapshots, copies of volumes and what is left over, on a real system whose manager is killed meanwhile. */
import { cpSync, existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { sleep } from "../tools/process.js";
import { read, System, write } from "./system.js";

const MIB = 1 << 20;
const SIZE = String(64 * MIB);

const system = await System.start(2);
t.teardown(() => system.end());
const { manager } = system;

const snapshots = async (volume: string) => (await manager.act("volumes", volume, "snapshotCRList", {})).data;

async function takeSnapshot(volume: string, name: string): Promise<void> {
  await manager.act("volumes", volume, "snapshotCRCreate", { name });
  await system.until(`snapshot ${name}`, async () => (await snapshots(volume)).some((one) => one.name === name && one.readyToUse)); // prettier-ignore
}

const clone = (name: string, dataSource: string) =>
  manager.create("volumes", { name, size: SIZE, numberOfReplicas: 2, frontend: "iscsi", dataSource });

const untilWhole = (name: string) =>
  system.untilVolume(name, "whole and free", ({ cloneStatus, state }) => {
    if (cloneStatus.state === "failed" || cloneStatus.attemptCount > 0) throw new Error(`${name}: ${JSON.stringify(cloneStatus)}`); // prettier-ignore
    return cloneStatus.state === "completed" && state === "detached";
  });

await manager.create("volumes", { name: "from", size: SIZE, numberOfReplicas: 2, frontend: "iscsi" });
await system.untilVolume("from", "detached", ({ state }) => state === "detached");
const from = await system.attach("from", "node-1");

t.test("of those who take a snapshot of one name at once one does, and the others are told so", async (t) => {
  for (let i = 0; i < 5; i++) {
    const name = `same-${i}`;
    const all = await Promise.allSettled(Array.from({ length: 3 }, () => manager.act("volumes", "from", "snapshotCreate", { name }))); // prettier-ignore
    const refused = all.flatMap((one) => (one.status === "rejected" ? [one.reason as unknown] : []));
    t.match(refused, [{ status: 422, message: /exist/ }, { status: 422 }]);
    t.equal(refused.length, 2);
  }
  await t.rejects(manager.act("volumes", "from", "snapshotDelete", { name: "none" }), {
    status: 404,
    message: /none is not found/,
  });
  for (let i = 0; i < 5; i++) await manager.act("volumes", "from", "snapshotDelete", { name: `same-${i}` });
});

t.test("copies of a snapshot and of a volume hold what those held, and nothing else", async (t) => {
  await write(from, 16 * MIB, 7);
  await takeSnapshot("from", "first");
  await write(from, 4 * MIB, 8);
  await clone("of-snapshot", "snap://from/first");
  await clone("of-volume", "vol://from");
  for (const name of ["of-snapshot", "of-volume"]) await untilWhole(name);
  const old = await system.attach("of-snapshot", "node-2");
  t.strictSame(await read(old, 20 * MIB), [[7, 16 * MIB], [0, 4 * MIB]]); // prettier-ignore
  const last = await system.attach("of-volume", "node-2");
  t.strictSame(await read(last, 20 * MIB), [[8, 4 * MIB], [7, 12 * MIB], [0, 4 * MIB]]); // prettier-ignore
  t.equal(last.replicas.filter(({ mode }) => mode === "RW").length, 2);
  await write(last, 20 * MIB, 9);
  t.strictSame(await read(from, 20 * MIB), [[8, 4 * MIB], [7, 12 * MIB], [0, 4 * MIB]], "the source is its own"); // prettier-ignore
});

t.test("a deleted snapshot goes from the replicas, and takes nothing of the volume with it", async (t) => {
  await manager.act("volumes", "from", "snapshotCRDelete", { name: "first" });
  await system.until("its end", async () => !(await snapshots("from")).some(({ name }) => name === "first"));
  t.strictSame(await read(from, 20 * MIB), [[8, 4 * MIB], [7, 12 * MIB], [0, 4 * MIB]]); // prettier-ignore
  const files = ["node-1", "node-2"].flatMap((node) => {
    const replicas = system.replicasOf(node);
    const own = readdirSync(replicas).filter((name) => name.startsWith("from-"));
    return own.flatMap((name) => readdirSync(join(replicas, name)));
  });
  t.notOk(files.includes("volume-snap-first.img"));
});

t.test("a manager that is killed at any time leaves no half copy, and nothing attached", async (t) => {
  for (let i = 0; i < 4; i++) {
    const name = `killed-${i}`;
    await clone(name, "vol://from");
    await sleep(100 + 200 * i);
    await system.killManager();
    await untilWhole(name);
    const volume = await system.attach(name, "node-1");
    t.strictSame(await read(volume, 20 * MIB), [[8, 4 * MIB], [7, 12 * MIB], [0, 4 * MIB]]); // prettier-ignore
    await manager.delete("volumes", name);
  }
  const source = await system.untilVolume("from", "attached", ({ state }) => state === "attached");
  t.strictSame(Object.keys(source.volumeAttachment.attachments), ["test"]);
});

t.test("a directory that is nobody's is found, and removed with its object alone", async (t) => {
  const replicas = system.replicasOf("node-1");
  const own = readdirSync(replicas).find((name) => name.startsWith("from-")) ?? "";
  cpSync(join(replicas, own), join(replicas, "lost-12345678"), { recursive: true });
  // A manager that begins looks at once.
  await system.killManager();
  let name = "";
  await system.until("an orphan", async () => {
    name = (await manager.list("orphans"))[0]?.name ?? "";
    return name !== "";
  });
  t.ok(existsSync(join(replicas, "lost-12345678")));
  await manager.delete("orphans", name);
  await system.until("its end", async () => (await manager.list("orphans")).length === 0);
  t.notOk(existsSync(join(replicas, "lost-12345678")));
  t.ok(existsSync(join(replicas, own)));
});
