/** The directory of a volume's only copy is gone from a disk that is there: nothing empty is passed off as its data. */
import { readdirSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import t from "tap";
import { read, System, write } from "./system.js";

const MIB = 1 << 20;
const system = await System.start(1);
t.teardown(() => system.end());
const { manager } = system;
const replicas = system.replicasOf("node-1");
const lost = join(dirname(replicas), "lost");
const isDetached = () => system.untilVolume("data", "detached", ({ state }) => state === "detached");

t.test("its engine does not start before it is back", async (t) => {
  await manager.create("volumes", { name: "data", size: String(16 * MIB), numberOfReplicas: 1, frontend: "iscsi" }); // prettier-ignore
  await isDetached();
  await write(await system.attach("data", "node-1"), MIB, 1);
  await manager.act("volumes", "data", "detach", { attachmentID: "test" });
  await isDetached();
  const [directory = ""] = readdirSync(replicas);
  renameSync(join(replicas, directory), lost);
  await manager.act("volumes", "data", "attach", { hostId: "node-1", attachmentID: "test" });
  const refused = /the volume has data, and .* nothing that was ever used/;
  await system.until("an event that says why", async () =>
    (await manager.list("events")).some(({ event }) => refused.test(event.message)),
  );
  t.equal((await manager.get("volumes", "data"))?.state, "attaching");
  await manager.act("volumes", "data", "detach", { attachmentID: "test" });
  await isDetached();
  await system.until("its replica to end", async () => {
    const [replica] = (await manager.get("volumes", "data"))?.replicas ?? [];
    return replica?.running === false;
  });
  rmSync(join(replicas, directory), { recursive: true });
  renameSync(lost, join(replicas, directory));
  t.strictSame(await read(await system.attach("data", "node-1"), MIB), [[1, MIB]]);
});
