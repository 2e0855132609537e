/** A volume that is to grow, and cannot. */
import { mkdirSync, readFileSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { waitFor } from "../tools/process.js";
import { CsiSystem, mounted, NODE } from "./system.js";

const options = { timeoutMs: 110_000 };
const SIZE = 320 << 20;
const LARGER = 2 * SIZE;
const WAIT_MS = 60_000;

const system = await CsiSystem.start();
t.teardown(() => system.end());
await system.startDriver();
const { controller, node, close } = system.clients();
t.teardown(close);

t.test("a volume that is to grow, and cannot yet, is mounted as it is, and grows later", async (t) => {
  const { manager } = system;
  const volumeCapability = mounted("xfs");
  const capacityRange = { requiredBytes: SIZE, limitBytes: 0 };
  const staging = join(system.directory, "pods", "staging");
  mkdirSync(staging);
  const { volume } = await controller.createVolume({ name: "full", capacityRange, volumeCapabilities: [volumeCapability], parameters: { numberOfReplicas: "1" } }, options); // prettier-ignore
  const volumeId = volume?.volumeId ?? "";
  const place = { volumeId, stagingTargetPath: staging, volumeCapability };
  const published = { volumeId, nodeId: NODE, volumeCapability };
  const grown = { requiredBytes: LARGER, limitBytes: 0 };
  const engine = async () => (await manager.get("volumes", volumeId))?.controllers?.[0];
  await controller.controllerPublishVolume(published, options);
  await manager.act("volumes", volumeId, "updateSnapshotMaxCount", { snapshotMaxCount: 2 });
  for (const name of ["one", "two"]) await manager.act("volumes", volumeId, "snapshotCreate", { name });
  await manager.act("volumes", volumeId, "expand", { size: String(LARGER) });
  await waitFor("the expansion to fail", WAIT_MS, async () =>
    (await engine())?.lastExpansionError === "" ? undefined : true,
  );

  await node.nodeStageVolume(place, options);
  t.match(await engine(), { size: String(SIZE) });
  writeFileSync(join(staging, "file"), "written meanwhile", { flush: true });

  await manager.act("volumes", volumeId, "updateSnapshotMaxCount", { snapshotMaxCount: 250 });
  await waitFor("the volume to grow", WAIT_MS, async () =>
    (await engine())?.size === String(LARGER) ? true : undefined,
  );
  await controller.controllerExpandVolume({ volumeId, capacityRange: grown, volumeCapability }, options);
  await node.nodeExpandVolume({ volumeId, volumePath: staging, capacityRange: grown, volumeCapability }, options); // prettier-ignore
  const { blocks, bsize } = statfsSync(staging);
  t.ok(blocks * bsize > SIZE);
  t.equal(readFileSync(join(staging, "file"), "utf8"), "written meanwhile");
  await node.nodeUnstageVolume(place, options);
  await controller.controllerUnpublishVolume(published, options);
  await manager.delete("volumes", volumeId);
});
