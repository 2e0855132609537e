/** The newest copy is gone for good: the volume is had from another one, when somebody says so, and nothing of the rest is removed. */
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import t from "tap";
import { read, System, write } from "./system.js";

const MIB = 1 << 20;
const system = await System.start(2);
t.teardown(() => system.end());
const { manager } = system;
const disk = dirname(system.replicasOf("node-1"));

/** What the files of a directory hold, by name. */
function filesOf(directory: string): Record<string, string> {
  const hash = (name: string) => createHash("sha256").update(readFileSync(join(directory, name))).digest("hex"); // prettier-ignore
  return Object.fromEntries(readdirSync(directory).map((name) => [name, hash(name)]));
}

t.test("a volume is salvaged from a copy that cannot be proved to be current", async (t) => {
  await manager.create("volumes", { name: "data", size: String(16 * MIB), numberOfReplicas: 2, frontend: "iscsi" }); // prettier-ignore
  await system.untilVolume("data", "detached", ({ state }) => state === "detached");
  const { replicas } = await system.attach("data", "node-1");
  await write(await system.attach("data", "node-1"), MIB, 1);
  await manager.act("volumes", "data", "detach", { attachmentID: "test" });
  await system.untilVolume("data", "detached", ({ state }) => state === "detached");
  renameSync(disk, `${disk}-away`);
  mkdirSync(disk);
  const [gone = "", left = ""] = ["node-1", "node-2"].map(
    (node) => replicas.find(({ hostId }) => hostId === node)?.name,
  );
  await t.rejects(manager.act("volumes", "data", "salvage", { names: [left] }), { message: /only a volume/ });
  await manager.act("volumes", "data", "attach", { hostId: "node-2", attachmentID: "test" });
  await system.until("its engine to refuse", async () => {
    const volume = await manager.get("volumes", "data");
    return volume?.state === "attaching" && "salvage" in volume.actions;
  });
  await t.rejects(manager.act("volumes", "data", "salvage", { names: [gone, left] }), { message: /name one/ }); // prettier-ignore
  await manager.act("volumes", "data", "salvage", { names: [left] });
  const salvaged = await system.untilVolume("data", "attached", ({ state }) => state === "attached");
  t.strictSame(await read(salvaged, MIB), [[1, MIB]]);
  await write(salvaged, MIB, 2);
  await system.until("the other one to be given up", async () => (await manager.get("volumes", "data"))?.replicas.every(({ name }) => name !== gone) ?? false); // prettier-ignore
  const [directory = ""] = readdirSync(join(`${disk}-away`, "replicas"));
  const kept = filesOf(join(`${disk}-away`, "replicas", directory));
  rmSync(disk, { recursive: true });
  renameSync(`${disk}-away`, disk);
  await system.untilVolume("data", "healthy", ({ robustness }) => robustness === "healthy");
  t.strictSame(filesOf(join(disk, "replicas", directory)), kept);
});
