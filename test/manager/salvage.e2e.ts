/** The newest copy is gone for good: the volume is had from another one, when somebody says so, and nothing of the rest is removed. */
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import t from "tap";
import { read, System, write } from "./system.js";

const MIB = 1 << 20;
const system = await System.start(3);
t.teardown(() => system.end());
const { manager } = system;

/** What the files of a directory hold, by name. */
function filesOf(directory: string): Record<string, string> {
  const hash = (name: string) => createHash("sha256").update(readFileSync(join(directory, name))).digest("hex"); // prettier-ignore
  return Object.fromEntries(readdirSync(directory).map((name) => [name, hash(name)]));
}

t.test("a volume is salvaged from a copy that its engine and its witness know to be behind", async (t) => {
  await manager.create("volumes", { name: "data", size: String(16 * MIB), numberOfReplicas: 2, frontend: "iscsi" }); // prettier-ignore
  await system.untilVolume("data", "detached", ({ state }) => state === "detached");
  const { replicas } = await system.attach("data", "node-1");
  const newest = replicas.find(({ hostId }) => hostId === "node-1") ?? replicas[0];
  const behind = replicas.find((one) => one !== newest);
  if (newest === undefined || behind === undefined) throw new Error("it has no two copies");
  await write(await system.attach("data", "node-1"), MIB, 1);
  const host = system.replicaHost(behind.hostId);
  process.kill(host, "SIGSTOP");
  await write(await system.untilVolume("data", "attached", ({ state }) => state === "attached"), MIB, 2);
  await manager.act("volumes", "data", "detach", { attachmentID: "test" });
  await system.untilVolume("data", "detaching", ({ state }) => state === "detaching");
  await system.until("its engine to end", async () => (await manager.get("volumes", "data"))?.controllers?.every(({ running }) => !running) ?? true); // prettier-ignore
  process.kill(host, "SIGCONT");
  await system.untilVolume("data", "detached", ({ state }) => state === "detached");
  const disk = dirname(system.replicasOf(newest.hostId));
  renameSync(disk, `${disk}-away`);
  mkdirSync(disk);
  await manager.act("volumes", "data", "attach", { hostId: behind.hostId, attachmentID: "test" });
  const refusals = async () => {
    const events = (await manager.list("events")).map(({ event }) => event);
    const starts = events.filter(({ reason, involvedObject }) => reason === "FailedStarting" && involvedObject.kind === "Engine"); // prettier-ignore
    return starts.reduce((sum, { count }) => sum + count, 0);
  };
  await system.until("its engine to refuse", async () => (await refusals()) > 0);
  const refuses = (input: { names: string[]; force?: boolean }, message: RegExp) =>
    t.rejects(manager.act("volumes", "data", "salvage", input), { message });
  await refuses({ names: [behind.name], force: true }, /it is being attached/);
  await manager.act("volumes", "data", "detach", { attachmentID: "test" });
  await system.untilVolume("data", "detached", ({ state }) => state === "detached");
  // Who is to become a copy of it has it attached, and keeps it.
  await manager.create("volumes", { name: "copy", size: String(16 * MIB), numberOfReplicas: 2, frontend: "iscsi", dataSource: "vol://data" }); // prettier-ignore
  const before = await refusals();
  await system.until("its engine to refuse again", async () => (await refusals()) > before);
  await refuses({ names: [behind.name], force: true }, /it is being attached/);
  await t.rejects(manager.delete("volumes", "data"), { message: /copy/ });
  t.match(await system.explain("data"), /into copy, .* neither deleted nor salvaged by force\.\n.*aurochs volume delete copy/); // prettier-ignore
  t.match(await system.explain("copy"), /aurochs explain data\n.*lets data go .*aurochs volume delete copy/);
  await manager.delete("volumes", "copy");
  await system.untilVolume("data", "detached for good", ({ state, volumeAttachment }) => state === "detached" && Object.keys(volumeAttachment.attachments).length === 0); // prettier-ignore
  await refuses({ names: [behind.name] }, /only a volume that is detached and faulted/);
  await refuses({ names: [newest.name, behind.name], force: true }, /one replica alone/);
  await manager.act("volumes", "data", "salvage", { names: [behind.name], force: true });
  await manager.act("volumes", "data", "attach", { hostId: behind.hostId, attachmentID: "test" });
  const salvaged = await system.untilVolume("data", "attached", ({ state }) => state === "attached");
  // What its host had received when it was stopped it has done since.
  t.equal((await read(salvaged, MIB)).at(-1)?.[0], 1);
  await write(salvaged, MIB, 3);
  await system.until("the other one to be given up", async () => (await manager.get("volumes", "data"))?.replicas.every(({ name }) => name !== newest.name) ?? false); // prettier-ignore
  const [directory = ""] = readdirSync(join(`${disk}-away`, "replicas"));
  const kept = filesOf(join(`${disk}-away`, "replicas", directory));
  rmSync(disk, { recursive: true });
  renameSync(`${disk}-away`, disk);
  await system.untilVolume("data", "healthy", ({ robustness }) => robustness === "healthy");
  t.strictSame(filesOf(join(disk, "replicas", directory)), kept);
});
