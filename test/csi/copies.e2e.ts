/** Volumes made of others and of snapshots hold what was there, xfs beside its own source. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { status } from "@grpc/grpc-js";
import t from "tap";
import type { VolumeContentSource } from "../../proto/csi.js";
import { run } from "../tools/process.js";
import { CsiSystem, mounted, NODE } from "./system.js";

const options = { timeoutMs: 110_000 };
const RETRIES_MAX = 100;
const capacityRange = { requiredBytes: 320 << 20, limitBytes: 0 };
const volumeCapability = mounted("xfs");

const system = await CsiSystem.start();
t.teardown(() => system.end());
await system.startDriver();
const { controller, node, close } = system.clients();
t.teardown(close);

async function create(name: string, volumeContentSource: VolumeContentSource | null = null): Promise<string> {
  const { volume } = await controller.createVolume({ name, capacityRange, volumeCapabilities: [volumeCapability], parameters: { numberOfReplicas: "2" }, volumeContentSource }, options); // prettier-ignore
  return volume?.volumeId ?? "";
}

const stagingOf = (volumeId: string) => join(system.directory, "pods", `${volumeId}-staging`);

/** @returns the path of a file on it */
async function use(volumeId: string): Promise<string> {
  // A copy is not ready at once: Kubernetes comes again as well.
  for (let tries = 1; ; tries++)
    try {
      await controller.controllerPublishVolume({ volumeId, nodeId: NODE, volumeCapability }, options);
      break;
    } catch (error) {
      if (tries === RETRIES_MAX || !(error as Error).message.includes("cannot be used now")) throw error;
      await new Promise((wake) => setTimeout(wake, 200));
    }
  const targetPath = join(system.directory, "pods", volumeId);
  mkdirSync(stagingOf(volumeId), { recursive: true });
  const place = { volumeId, stagingTargetPath: stagingOf(volumeId), volumeCapability };
  await node.nodeStageVolume(place, options);
  await node.nodePublishVolume({ ...place, targetPath }, options);
  return join(targetPath, "file");
}

async function leave(volumeId: string): Promise<void> {
  const targetPath = join(system.directory, "pods", volumeId);
  await node.nodeUnpublishVolume({ volumeId, targetPath }, options);
  await node.nodeUnstageVolume({ volumeId, stagingTargetPath: stagingOf(volumeId) }, options);
  await controller.controllerUnpublishVolume({ volumeId, nodeId: NODE }, options);
  await controller.deleteVolume({ volumeId }, options);
  rmSync(stagingOf(volumeId), { recursive: true });
}

async function write(path: string, text: string): Promise<void> {
  writeFileSync(path, text, { flush: true });
  await run("sync", ["-f", path]);
}

t.test("a volume from a snapshot, one from a volume, and their source", async (t) => {
  const source = await create("source");
  const file = await use(source);
  await write(file, "before the snapshot");
  const { snapshot } = await controller.createSnapshot({ name: "then", sourceVolumeId: source, parameters: { type: "snap" } }, options); // prettier-ignore
  t.match(snapshot, { snapshotId: `snap://${source}/then`, readyToUse: true, sourceVolumeId: source });
  await write(file, "after the snapshot");

  const restored = await create("restored", { snapshot: { snapshotId: snapshot?.snapshotId ?? "" }, volume: null }); // prettier-ignore
  const cloned = await create("cloned", { snapshot: null, volume: { volumeId: source } });
  t.equal(readFileSync(await use(restored), "utf8"), "before the snapshot");
  t.equal(readFileSync(await use(cloned), "utf8"), "after the snapshot");
  t.equal(readFileSync(file, "utf8"), "after the snapshot");

  const backup = controller.createSnapshot({ name: "elsewhere", sourceVolumeId: source, parameters: {} }, options); // prettier-ignore
  await t.rejects(backup, { message: /backups are not available yet; .* type: snap/ });
  const lost = controller.deleteVolume({ volumeId: source }, options);
  await t.rejects(lost, { code: status.FAILED_PRECONDITION, message: /has snapshots, .*: then$/ });
  const { snapshotId = "" } = snapshot ?? {};
  await controller.deleteSnapshot({ snapshotId }, options);
  const late = create("late", { snapshot: { snapshotId }, volume: null });
  await t.rejects(late, { message: /is being removed|is not found/ });
  for (const volume of [restored, cloned, source]) await leave(volume);
  t.strictSame(system.mounted(), []);
});
