/** A stage that fails when something is mounted already: a program of the machine fails as often as the test wants. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { status } from "@grpc/grpc-js";
import t from "tap";
import { CsiSystem, mounted, NODE } from "./system.js";

const options = { timeoutMs: 110_000 };

const system = await CsiSystem.start();
t.teardown(() => system.end());
const programs = join(system.directory, "programs");
const failing = join(system.directory, "failing");
mkdirSync(programs);
const script = `#!/bin/sh\n[ ! -e '${failing}' ] || { echo no; exit 1; }\n`;
writeFileSync(join(programs, "xfs_growfs"), script, { mode: 0o755 });
process.env["PATH"] = `${programs}:${process.env["PATH"] ?? ""}`;
await system.startDriver();
const { controller, node, close } = system.clients();
t.teardown(close);

t.test("a stage that fails leaves nothing mounted, but for what was there before", async (t) => {
  const volumeCapability = mounted("xfs");
  const staging = join(system.directory, "pods", "staging");
  mkdirSync(staging);
  const { volume } = await controller.createVolume({ name: "failing", capacityRange: { requiredBytes: 320 << 20, limitBytes: 0 }, volumeCapabilities: [volumeCapability], parameters: { numberOfReplicas: "1" } }, options); // prettier-ignore
  const volumeId = volume?.volumeId ?? "";
  const place = { volumeId, stagingTargetPath: staging, volumeCapability };
  const published = { volumeId, nodeId: NODE, volumeCapability };
  await controller.controllerPublishVolume(published, options);

  writeFileSync(failing, "");
  await t.rejects(node.nodeStageVolume(place, options), {
    code: status.INTERNAL,
    message: /xfs_growfs.*: no/,
  });
  t.strictSame(system.mounted(), []);
  rmSync(failing);
  await node.nodeStageVolume(place, options);
  writeFileSync(join(staging, "file"), "kept", { flush: true });

  writeFileSync(failing, "");
  await t.rejects(node.nodeStageVolume(place, options), { code: status.INTERNAL });
  t.strictSame(system.mounted(), [staging], "an earlier call has staged it");
  t.equal(readFileSync(join(staging, "file"), "utf8"), "kept");
  await node.nodeUnstageVolume(place, options);
  t.strictSame(system.mounted(), []);
  await controller.controllerUnpublishVolume(published, options);
  await controller.deleteVolume({ volumeId }, options);
});
