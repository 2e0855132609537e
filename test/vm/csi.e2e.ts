/** The CSI driver with a real kernel's initiator, device mapper and mounts: it and Kubernetes' tests run in the guest, the storage
 * system here. */
import { status } from "@grpc/grpc-js";
import t, { type Test } from "tap";
import { freePorts } from "../../cli/free-ports.js";
import { AccessModeType, Controller, Identity, Node } from "../../proto/csi.js";
import { RpcError } from "../../proto/rpc-error.js";
import { unaryClient } from "../../proto/unary.js";
import { sanityProgram } from "../csi/csi-sanity.js";
import { System } from "../manager/system.js";
import { run, waitFor } from "../tools/process.js";
import { Guest, HOST } from "./guest.js";
import { GuestPrograms } from "./guest-programs.js";
import { SharedFiles } from "./shared-files.js";

const SIZE = 1 << 29;
const SANITY_MS = 900_000;
const options = { timeoutMs: 300_000 };
/** All specs take minutes here, and run with the userspace initiator as well: these are the ones that a kernel is for. */
const FOCUS = process.env["CSI_SANITY"] === "all" ? "" : "--ginkgo.focus 'Node Service'";
/** That the driver's capabilities switch on. */
const SPECS = FOCUS === "" ? 65 : 23;

const sanity = await sanityProgram();
const [port = 0] = await freePorts([], 1, 1);
const guest = await Guest.boot(port);
t.teardown(() => guest.end());
const programs = await GuestPrograms.make(guest);
t.teardown(() => programs.close());
const system = await System.start(null, programs.environment());
t.teardown(() => system.end());
const [node] = await system.manager.list("nodes");
if (node === undefined) throw new Error("there is no node");
const nodeId = node.name;
const files = await SharedFiles.mount(guest);
const manager = new URL(system.manager.url);
await files.start(
  `exec bin/aurochs csi --endpoint tcp://0.0.0.0:${port} --node-id ${nodeId} --manager-url http://${HOST}:${manager.port}/v1`,
  "/tmp/csi.log",
);

const identity = unaryClient(Identity, `127.0.0.1:${port}`);
t.teardown(() => identity.close());
await waitFor("the driver", options.timeoutMs, () =>
  identity.calls.probe({}, { timeoutMs: 1_000 }).catch(() => undefined),
);

const sanityFlags =
  `-csi.endpoint 127.0.0.1:${port} -csi.mountdir /tmp/target -csi.stagingdir /tmp/staging` +
  ` -csi.testvolumeparameters /tmp/volume.yaml -csi.testsnapshotparameters /tmp/snapshot.yaml` +
  ` -csi.testvolumesize ${SIZE} -csi.testvolumeexpandsize ${2 * SIZE} --ginkgo.no-color ${FOCUS}`;

/** No volume, session, record or mapping. */
async function checkNothingIsLeft(t: Test): Promise<void> {
  t.strictSame(await system.manager.list("volumes"), []);
  t.match(await guest.attempt("/tools/iscsiadm -m session", 10_000), { exitCode: 21 });
  t.match(await guest.attempt("/tools/iscsiadm -m node", 10_000), { exitCode: 21 });
  t.equal(await guest.run("ls /dev/mapper"), "control");
}

for (const [name, flags] of [
  ["mount", ""],
  ["block", "-csi.testvolumeaccesstype block"],
] as const)
  t.test(`csi-sanity with ${name} access`, async (t) => {
    await files.run(
      `echo '{"numberOfReplicas":"1"}' >/tmp/volume.yaml && echo '{"type":"snap"}' >/tmp/snapshot.yaml`,
    );
    const { exitCode, output } = await files.runLong(`${sanity} ${sanityFlags} ${flags}`, SANITY_MS);
    const [, passed = "", failed = ""] = /(\d+) Passed \| (\d+) Failed/.exec(output) ?? [];
    t.equal(exitCode, 0, exitCode === 0 ? "it ends well" : output);
    t.equal(Number(passed), SPECS);
    t.comment(`csi-sanity, ${name}: ${passed} specs passed, ${failed} failed`);
    await checkNothingIsLeft(t);
  });

const NEEDLE = "somebody's secret, in clear";
const secrets = { CRYPTO_KEY_VALUE: "open sesame", CRYPTO_PBKDF: "pbkdf2" };
const controllerClient = unaryClient(Controller, `127.0.0.1:${port}`);
const nodeClient = unaryClient(Node, `127.0.0.1:${port}`);
t.teardown(() => {
  controllerClient.close();
  nodeClient.close();
});

/** What cannot be done now is asked for again, as Kubernetes does. */
function patiently<T>(call: () => Promise<T>): Promise<T> {
  return waitFor("what was aborted", options.timeoutMs, () =>
    call().catch((error: unknown) => {
      if (error instanceof RpcError && error.code === status.ABORTED) return undefined;
      throw error;
    }),
  );
}

for (const fsType of ["ext4", "xfs"])
  t.test(
    `an encrypted volume with ${fsType} grows while it is used, and shows nothing without its key`,
    async (t) => {
      const { calls: controller } = controllerClient;
      const { calls: node } = nodeClient;
      const volumeCapability = {
        block: null,
        mount: { fsType, mountFlags: [], volumeMountGroup: "" },
        accessMode: { mode: AccessModeType.SINGLE_NODE_WRITER },
      };
      const parameters = { numberOfReplicas: "1", encrypted: "true" };
      const capacityRange = { requiredBytes: SIZE, limitBytes: 0 };
      const { volume } = await controller.createVolume({ name: `crypt-${fsType}`, capacityRange, volumeCapabilities: [volumeCapability], parameters }, options); // prettier-ignore
      const volumeId = volume?.volumeId ?? "";
      const [stagingTargetPath, targetPath] = [`/tmp/${volumeId}-staging`, `/tmp/${volumeId}`];
      const place = { volumeId, stagingTargetPath, volumeCapability };
      const publish = async () => {
        await patiently(() => controller.controllerPublishVolume({ volumeId, nodeId, volumeCapability }, options)); // prettier-ignore
        await node.nodeStageVolume({ ...place, secrets }, options);
        await node.nodePublishVolume({ ...place, targetPath, secrets }, options);
      };
      const leave = async () => {
        await node.nodeUnpublishVolume({ volumeId, targetPath }, options);
        await node.nodeUnstageVolume({ volumeId, stagingTargetPath }, options);
      };
      await files.run(`mkdir ${stagingTargetPath}`);
      await publish();
      const checksum = await files.run(
        `yes "${NEEDLE}" | head -c 8M >${targetPath}/file && sync && md5sum <${targetPath}/file`,
      );
      t.match(await files.run(`findmnt -n -o FSTYPE,SOURCE ${targetPath}`), new RegExp(`${fsType} +/dev/mapper/${volumeId}`)); // prettier-ignore

      const larger = { requiredBytes: 2 * SIZE, limitBytes: 0 };
      const before = Number(await files.run(`stat -f -c %b ${targetPath}`));
      const { nodeExpansionRequired } = await controller.controllerExpandVolume({ volumeId, capacityRange: larger, volumeCapability, secrets }, options); // prettier-ignore
      t.ok(nodeExpansionRequired);
      await node.nodeExpandVolume({ volumeId, volumePath: targetPath, stagingTargetPath, capacityRange: larger, volumeCapability, secrets }, options); // prettier-ignore
      t.ok(
        Number(await files.run(`stat -f -c %b ${targetPath}`)) > 1.8 * before,
        "it has grown under its users",
      );
      t.equal(await files.run(`md5sum <${targetPath}/file`), checksum);

      await leave();
      t.equal(await run("sh", ["-c", `grep -rlaF "${NEEDLE}" ${system.replicasOf(nodeId)} | wc -l`]), "0\n");
      const wrong = { ...secrets, CRYPTO_KEY_VALUE: "open barley" };
      await t.rejects(node.nodeStageVolume({ ...place, secrets: wrong }, options), /No key available/);
      t.equal(await guest.run("ls /dev/mapper"), "control");
      await controller.controllerUnpublishVolume({ volumeId, nodeId }, options);

      await publish();
      t.equal(await files.run(`md5sum <${targetPath}/file`), checksum);
      await leave();
      await controller.controllerUnpublishVolume({ volumeId, nodeId }, options);
      await controller.deleteVolume({ volumeId }, options);
      await checkNothingIsLeft(t);
    },
  );
