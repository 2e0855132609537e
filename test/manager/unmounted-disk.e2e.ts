/** A disk that is not mounted when its volume is wanted: nothing empty is passed off as its data. */
import { mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import t from "tap";
import { read, System, write } from "./system.js";

const MIB = 1 << 20;
// An engine on an empty replica would serve within one second.
const WAIT_MS = 5_000;
const system = await System.start(1);
t.teardown(() => system.end());
const { manager } = system;
const disk = dirname(system.replicasOf("node-1"));

const isDiskReady = async () => {
  const [found] = Object.values((await manager.get("nodes", "node-1"))?.disks ?? {});
  return found?.conditions["Ready"]?.status;
};

t.test("a volume whose disk is not there waits for it", async (t) => {
  await manager.create("volumes", { name: "data", size: String(16 * MIB), numberOfReplicas: 1, frontend: "iscsi" }); // prettier-ignore
  await system.untilVolume("data", "detached", ({ state }) => state === "detached");
  await write(await system.attach("data", "node-1"), MIB, 1);
  await manager.act("volumes", "data", "detach", { attachmentID: "test" });
  await system.untilVolume("data", "detached", ({ state }) => state === "detached");
  renameSync(disk, `${disk}-away`);
  mkdirSync(disk);
  await system.until("the disk to be lost", async () => (await isDiskReady()) === "False");
  await manager.act("volumes", "data", "attach", { hostId: "node-1", attachmentID: "test" });
  await sleep(WAIT_MS);
  const volume = await manager.get("volumes", "data");
  t.equal(volume?.state, "attaching");
  t.strictSame(readdirSync(disk), []);
  rmSync(disk, { recursive: true });
  renameSync(`${disk}-away`, disk);
  const back = await system.untilVolume("data", "attached", ({ state }) => state === "attached");
  t.strictSame(await read(back, MIB), [[1, MIB]]);
});
