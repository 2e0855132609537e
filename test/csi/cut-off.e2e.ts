/** The driver is killed in the middle of its calls, at random moments, and each is repeated until it is answered. */
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { status } from "@grpc/grpc-js";
import t, { type Test } from "tap";
import { type VolumeCapability } from "../../proto/csi.js";
import { RpcError } from "../../proto/rpc-error.js";
import { sleep } from "../tools/process.js";
import { numbers } from "../tools/random.js";
import { CsiSystem, NODE, mounted } from "./system.js";

const SEED = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
const ROUNDS = Number(process.env["ROUNDS"] ?? 1);
const SIZE = 320 << 20;
const LARGER = 512 << 20;

/** ms that a call may take before it is cut off: more than most of them need. */
const CUT_OFF_MS_MAX = 500;
const CALL_TIMEOUT_MS = 40_000;

const below = numbers(SEED);
const random = () => below(1_000) / 1_000;
const system = await CsiSystem.start();
t.teardown(() => system.end());
await system.startDriver();
t.comment(`SEED=${SEED}`);

type Clients = ReturnType<CsiSystem["clients"]>;

let kills = 0;
let calls = 0;

/** Each call once or several times with a kill in its middle, then until it is answered. */
async function survive<T>(work: (clients: Clients) => Promise<T>): Promise<T> {
  let isCutOff = random() < 0.8;
  for (;;) {
    const clients = system.clients();
    const cut = isCutOff ? sleep(random() * CUT_OFF_MS_MAX).then(() => system.killDriver()) : null;
    calls++;
    const outcome = await work(clients).then(
      (reply) => ({ reply }),
      (error: unknown) => ({ error }),
    );
    clients.close();
    if (cut !== null) {
      await cut;
      kills++;
      await system.startDriver();
      isCutOff = random() < 0.3;
      continue; // also of what was answered: it has to be repeatable
    }
    if ("reply" in outcome) return outcome.reply;
    const { error } = outcome;
    if (!(error instanceof RpcError) || error.code !== status.ABORTED) {
      t.comment(system.driverOutput());
      throw error;
    }
    await sleep(100);
  }
}

const options = { timeoutMs: CALL_TIMEOUT_MS };

function capabilityOf(kind: string): VolumeCapability {
  const capability = mounted(kind, ["noatime"]);
  return kind === "block" ? { ...capability, block: {}, mount: null } : capability;
}

async function checkData(t: Test, kind: string, target: string): Promise<void> {
  const path = kind === "block" ? target : join(target, "file");
  const file = await open(path, "r");
  const { buffer } = await file.read(Buffer.alloc(DATA.length), 0, DATA.length, 0);
  await file.close();
  t.ok(buffer.equals(DATA), "data are what they were");
}

async function writeData(kind: string, target: string): Promise<void> {
  const file = await open(kind === "block" ? target : join(target, "file"), kind === "block" ? "r+" : "w");
  await file.write(DATA, 0, DATA.length, 0);
  await file.sync();
  await file.close();
}

const DATA = Buffer.alloc(1 << 20, "what was written before the driver was killed ");

async function live(t: Test, kind: string): Promise<void> {
  const volumeCapability = capabilityOf(kind);
  const staging = join(system.directory, "pods", "staging");
  const target = join(system.directory, "pods", "target");
  mkdirSync(staging, { recursive: true });
  const { volume } = await survive(({ controller }) => controller.createVolume({ name: `cut-off-${kind}`, capacityRange: { requiredBytes: SIZE, limitBytes: 0 }, volumeCapabilities: [volumeCapability], parameters: { numberOfReplicas: "2" } }, options)); // prettier-ignore
  const volumeId = volume?.volumeId ?? "";
  const place = { volumeId, stagingTargetPath: staging, volumeCapability };
  const use = async () => {
    await survive(({ controller }) => controller.controllerPublishVolume({ volumeId, nodeId: NODE, volumeCapability }, options)); // prettier-ignore
    await survive(({ node }) => node.nodeStageVolume(place, options));
    await survive(({ node }) => node.nodePublishVolume({ ...place, targetPath: target }, options));
  };
  const leave = async () => {
    await survive(({ node }) => node.nodeUnpublishVolume({ volumeId, targetPath: target }, options));
    await survive(({ node }) => node.nodeUnstageVolume(place, options));
    await survive(({ controller }) => controller.controllerUnpublishVolume({ volumeId, nodeId: NODE }, options)); // prettier-ignore
  };

  await use();
  await writeData(kind, target);
  if (kind !== "ext4" || mayGrowExt4()) await expand(t, kind, volumeId, target);
  await leave();
  t.strictSame(system.mounted(), []);
  t.notOk(existsSync(target));

  await use();
  await checkData(t, kind, target);
  await leave();
  await survive(({ controller }) => controller.deleteVolume({ volumeId }, options));
  t.strictSame(system.mounted(), []);
}

async function expand(t: Test, kind: string, volumeId: string, volumePath: string): Promise<void> {
  const volumeCapability = capabilityOf(kind);
  const capacityRange = { requiredBytes: LARGER, limitBytes: 0 };
  const expanded = await survive(({ controller }) => controller.controllerExpandVolume({ volumeId, capacityRange, volumeCapability }, options)); // prettier-ignore
  t.match(expanded, { capacityBytes: LARGER, nodeExpansionRequired: kind !== "block" });
  if (kind !== "block")
    await survive(({ node }) => node.nodeExpandVolume({ volumeId, volumePath, capacityRange, volumeCapability }, options)); // prettier-ignore
  const { usage } = await survive(({ node }) => node.nodeGetVolumeStats({ volumeId, volumePath }, options));
  t.ok((usage[0]?.total ?? 0) > SIZE, "it is as large as it was made");
}

/** Linux lets a mounted ext4 grow only for who has CAP_SYS_RESOURCE, which root does not have in every container. */
function mayGrowExt4(): boolean {
  const [, bits = "0"] = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "latin1")) ?? [];
  return ((BigInt(`0x${bits}`) >> 24n) & 1n) === 1n;
}

for (let round = 1; round <= ROUNDS; round++)
  for (const kind of ["ext4", "xfs", "block"])
    t.test(`${kind}: made, used, expanded, used again and removed, ${round}`, async (t) => {
      await live(t, kind);
      t.strictSame(await system.manager.list("volumes"), []);
      t.strictSame(system.initiator.sessions(), []);
      t.strictSame(system.initiator.records(), []);
      t.comment(`${kills} kills of the driver in ${calls} calls so far`);
    });
