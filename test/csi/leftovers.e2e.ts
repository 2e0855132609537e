/** What others have left: sessions that ended under a mount, mounts on mounts; and links on the way to where they are. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { run, waitFor } from "../tools/process.js";
import { block, CsiSystem, NODE, mounted } from "./system.js";

const options = { timeoutMs: 110_000 };
const NOT_ATTACHED = /not attached/;

const system = await CsiSystem.start();
t.teardown(() => system.end());
await system.startDriver();
const { controller, node, close } = system.clients();
t.teardown(close);

const untilDetached = (volume: string) =>
  waitFor("the volume to be detached", 60_000, async () =>
    (await system.manager.get("volumes", volume))?.state === "detached" ? true : undefined,
  );

t.test("a volume that was detached by force under its mounts is mounted anew, with its data", async (t) => {
  const volumeCapability = mounted("ext4");
  const staging = join(system.directory, "pods", "staging");
  const target = join(system.directory, "pods", "target");
  mkdirSync(staging);
  const { volume } = await controller.createVolume({ name: "left", capacityRange: { requiredBytes: 64 << 20, limitBytes: 0 }, volumeCapabilities: [volumeCapability], parameters: { numberOfReplicas: "2" } }, options); // prettier-ignore
  const volumeId = volume?.volumeId ?? "";
  const place = { volumeId, stagingTargetPath: staging, volumeCapability };
  const use = async () => {
    await controller.controllerPublishVolume({ volumeId, nodeId: NODE, volumeCapability }, options);
    await node.nodeStageVolume(place, options);
    await node.nodePublishVolume({ ...place, targetPath: target }, options);
  };
  await use();
  writeFileSync(join(target, "file"), "kept", { flush: true });
  await run("sync", ["-f", target]);
  t.match(await node.nodeGetVolumeStats({ volumeId, volumePath: target }, options), { volumeCondition: { abnormal: false } }); // prettier-ignore

  await system.manager.act("volumes", volumeId, "detach", { forceDetach: true });
  await untilDetached(volumeId);
  t.match(await node.nodeGetVolumeStats({ volumeId, volumePath: target }, options), { volumeCondition: { abnormal: true, message: NOT_ATTACHED } }); // prettier-ignore
  await t.rejects(node.nodePublishVolume({ ...place, targetPath: target }, options), { message: NOT_ATTACHED }); // prettier-ignore

  await use();
  t.equal(readFileSync(join(target, "file"), "utf8"), "kept");
  writeFileSync(join(target, "file"), "written again", { flush: true });

  await run("mount", ["--bind", staging, target]); // another driver's repeated call
  await node.nodeUnpublishVolume({ volumeId, targetPath: target }, options);
  await node.nodeUnstageVolume(place, options);
  t.strictSame(system.mounted(), []);
  await controller.controllerUnpublishVolume({ volumeId, nodeId: NODE }, options);
  await controller.deleteVolume({ volumeId }, options);
  t.strictSame(system.initiator.sessions(), []);
});

t.test(
  "what was written is there after unstaging, although a container has kept a mount of its own",
  async (t) => {
    const volumeCapability = mounted("ext4");
    const staging = join(system.directory, "pods", "kept");
    mkdirSync(staging);
    const { volume } = await controller.createVolume({ name: "kept", capacityRange: { requiredBytes: 64 << 20, limitBytes: 0 }, volumeCapabilities: [volumeCapability], parameters: { numberOfReplicas: "2" } }, options); // prettier-ignore
    const volumeId = volume?.volumeId ?? "";
    const place = { volumeId, stagingTargetPath: staging, volumeCapability };
    const published = { volumeId, nodeId: NODE, volumeCapability };
    await controller.controllerPublishVolume(published, options);
    await node.nodeStageVolume(place, options);
    const other = spawn("unshare", ["--mount", "--propagation", "private", "sleep", "600"]);
    const ended = once(other, "exit");
    await waitFor("the other mount", 10_000, () =>
      readFileSync(`/proc/${other.pid ?? 0}/comm`, "utf8") === "sleep\n" ? true : undefined,
    );
    writeFileSync(join(staging, "file"), "written last");
    await node.nodeUnstageVolume(place, options);
    await controller.controllerUnpublishVolume(published, options);
    await untilDetached(volumeId);
    other.kill();
    await ended;
    await controller.controllerPublishVolume(published, options);
    await node.nodeStageVolume(place, options);
    t.equal(readFileSync(join(staging, "file"), "utf8"), "written last");
    await node.nodeUnstageVolume(place, options);
    await controller.controllerUnpublishVolume(published, options);
    await controller.deleteVolume({ volumeId }, options);
  },
);

t.test("what is mounted is found by paths with a symbolic link, and with a slash at their end", async (t) => {
  const pods = join(system.directory, "pods");
  const link = join(system.directory, "link");
  symlinkSync(pods, link);
  for (const [name, volumeCapability] of [
    ["linked", mounted("ext4")],
    ["linked-block", block()],
  ] as const) {
    // prettier-ignore
    const isBlock = volumeCapability.block !== null;
    const [staging, target] = [`${name}-staging`, `${name}-target`];
    mkdirSync(join(pods, staging));
    const { volume } = await controller.createVolume({ name, capacityRange: { requiredBytes: 64 << 20, limitBytes: 0 }, volumeCapabilities: [volumeCapability], parameters: { numberOfReplicas: "2" } }, options); // prettier-ignore
    const volumeId = volume?.volumeId ?? "";
    const staged = isBlock ? join(pods, staging, volumeId) : join(pods, staging);
    const published = { volumeId, nodeId: NODE, volumeCapability };
    await controller.controllerPublishVolume(published, options);
    // Whatever way it is given, it is one place.
    const ways = [link, `${link}/../link`, pods];
    const places = ways.map((way) => ({ volumeId, stagingTargetPath: `${way}/${staging}/`, targetPath: `${way}/${target}/`, volumeCapability })); // prettier-ignore
    for (const place of places) await node.nodeStageVolume(place, options);
    t.strictSame(system.mounted(), [staged]);
    for (const place of places) await node.nodePublishVolume(place, options);
    t.strictSame(system.mounted(), [staged, join(pods, target)]);
    for (const { targetPath: volumePath } of places)
      t.match(await node.nodeGetVolumeStats({ volumeId, volumePath }, options), { volumeCondition: { abnormal: false } }); // prettier-ignore
    const [place = {}] = places;
    t.match(await node.nodeExpandVolume({ ...place, volumePath: join(link, target) }, options), { capacityBytes: 64 << 20 }); // prettier-ignore
    await node.nodeUnpublishVolume(place, options);
    t.strictSame(system.mounted(), [staged]);
    t.notOk(existsSync(join(pods, target)));
    await node.nodeUnstageVolume(place, options);
    t.strictSame(system.mounted(), []);
    await controller.controllerUnpublishVolume(published, options);
    await controller.deleteVolume({ volumeId }, options);
  }
});
