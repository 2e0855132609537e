/** The Node service: validate, call, map. What is done on the machine is in `staging.ts`. */
import { stat, statfs } from "node:fs/promises";
import { status } from "@grpc/grpc-js";
import {
  NodeRpcType,
  UsageUnit,
  type Node,
  type NodeStageVolumeRequest,
  type VolumeUsage,
} from "../proto/csi.js";
import { RpcError } from "../proto/rpc-error.js";
import type { Handlers } from "../proto/unary.js";
import type { Volume } from "../rest-client/resources.js";
import { accessOf, type Access } from "./capability.js";
import { HOSTNAME_TOPOLOGY, type Driver } from "./driver.js";
import { invalid, notFound, notNow, refused } from "./errors.js";
import { cryptKeyOf } from "./host/crypt.js";
import { deviceSize, numberOf, waitForDevice } from "./host/device.js";
import { growFileSystem } from "./host/file-systems.js";
import { resolvedPath } from "./host/resolved-path.js";
import { LUKS_HEADER_BYTES } from "./limits.js";
import { Locks } from "./locks.js";
import { sizeOf } from "./size.js";
import { Staging, type Staged } from "./staging.js";
import { endpointOn, needVolume, sizeOn, whyNotReady } from "./volumes.js";

const CAPABILITIES = [
  NodeRpcType.STAGE_UNSTAGE_VOLUME,
  NodeRpcType.GET_VOLUME_STATS,
  NodeRpcType.EXPAND_NODE_VOLUME,
];

export function nodeHandlers(driver: Driver): Handlers<typeof Node> {
  const { manager, host, log } = driver;
  const staging = new Staging(host, log);
  const locks = new Locks();
  const locked = <T>(volume: string, what: string, work: () => Promise<T>) =>
    locks.hold(`volume ${volume}`, null, what, work);

  return {
    nodeGetCapabilities: () =>
      Promise.resolve({ capabilities: CAPABILITIES.map((type) => ({ rpc: { type } })) }),

    nodeGetInfo: () =>
      Promise.resolve({
        nodeId: driver.node,
        maxVolumesPerNode: 0,
        accessibleTopology: { segments: { [HOSTNAME_TOPOLOGY]: driver.node } },
      }),

    nodeStageVolume: async (request) => {
      const stagingPath = await needPath("staging", request.stagingTargetPath);
      const access = accessOf(request.volumeCapability);
      needId(request.volumeId);
      await locked(request.volumeId, "staging", async () =>
        staging.stage(await stagedOf(driver, request, stagingPath, access)),
      );
      return {};
    },

    nodeUnstageVolume: async ({ volumeId, stagingTargetPath }) => {
      needId(volumeId);
      const stagingPath = await needPath("staging", stagingTargetPath);
      await locked(volumeId, "unstaging", () => staging.unstage(volumeId, stagingPath));
      return {};
    },

    nodePublishVolume: async (request) => {
      const target = await needPath("target", request.targetPath);
      const stagingPath = await needPath("staging", request.stagingTargetPath);
      const access = accessOf(request.volumeCapability);
      needId(request.volumeId);
      await locked(request.volumeId, "publication", async () => {
        const staged = await stagedOf(driver, request, stagingPath, access);
        await staging.publish(staged, target, request.readonly);
      });
      return {};
    },

    nodeUnpublishVolume: async ({ volumeId, targetPath }) => {
      needId(volumeId);
      const target = await needPath("target", targetPath);
      await locked(volumeId, "unpublication", () => staging.unpublish(target));
      return {};
    },

    nodeGetVolumeStats: async ({ volumeId, volumePath }) => {
      needId(volumeId);
      const path = await needVolumePath(volumePath);
      const volume = await needVolume(manager, volumeId);
      const usage = await usageOf(driver, volume, path);
      const fault = volumeFault(volume, driver.node) ?? (await mountFault(driver, path));
      return {
        usage,
        volumeCondition: { abnormal: fault !== null, message: fault ?? "the volume is healthy" },
      };
    },

    nodeExpandVolume: async ({ volumeId, volumePath, capacityRange, volumeCapability, secrets }) => {
      if (volumeCapability !== null) accessOf(volumeCapability);
      needId(volumeId);
      const path = await needVolumePath(volumePath);
      const volume = await needVolume(manager, volumeId);
      if (volume.state !== "attached") throw refused(`volume ${volumeId} is ${volume.state}, not attached`);
      const size = sizeOf(capacityRange, Number(volume.size));
      await locked(volumeId, "expansion", () => expand(driver, volume, path, size, secrets));
      return { capacityBytes: size };
    },
  };
}

function needId(volume: string): void {
  if (volume === "") throw invalid("the volume's id is missing");
  if (volume.includes("/") || volume.startsWith(".")) throw notFound(`volume ${JSON.stringify(volume)} is not found`); // prettier-ignore
}

/** One where nothing is mounted is found to be so later.
 * @returns as the kernel tells it */
async function needVolumePath(path: string): Promise<string> {
  if (path === "") throw invalid("the volume path is missing");
  return resolvedPath(path);
}

/** @returns as the kernel tells it */
async function needPath(what: string, path: string): Promise<string> {
  if (path === "") throw invalid(`the ${what} path is missing`);
  if (!path.startsWith("/")) throw invalid(`the ${what} path ${JSON.stringify(path)} is not absolute`);
  return resolvedPath(path);
}

type Given = Pick<NodeStageVolumeRequest, "volumeId" | "secrets" | "volumeContext">;

/** What the manager says of the volume, and what was asked for.
 * @throws {RpcError} INVALID_ARGUMENT: it is not attached here; ABORTED: it cannot be used now */
async function stagedOf(
  { manager, node, host }: Driver,
  { volumeId, secrets, volumeContext }: Given,
  stagingPath: string,
  access: Access,
): Promise<Staged> {
  const volume = await needVolume(manager, volumeId);
  if (volume.frontend !== "blockdev" || volume.disableFrontend)
    throw invalid(`volume ${volumeId} has no device: its frontend is ${volume.disableFrontend ? "disabled" : JSON.stringify(volume.frontend)}`); // prettier-ignore
  if (volume.accessMode === "rwx" && !volume.migratable && access.type === "mount")
    throw new RpcError(
      status.UNIMPLEMENTED,
      `volume ${volumeId}: file systems that several nodes share are not available yet`,
    );
  const device = endpointOn(volume, node);
  if (volume.state !== "attached" || device === "") {
    // What is mounted there cannot work any more.
    if (volume.state === "detached") await host.mounts.unmount(stagingPath).catch(() => undefined);
    throw invalid(`volume ${volumeId} is ${volume.state}, not attached to ${node}`);
  }
  if (!volume.ready) throw notNow(`volume ${volumeId} cannot be used now: ${whyNotReady(volume)}`);
  return {
    ...{ volume: volumeId, device, size: sizeOn(volume, node), isEncrypted: volume.encrypted },
    ...{ stagingPath, access, secrets },
    mkfsParameters: (volumeContext["mkfsParams"] ?? "").split(/\s+/).filter((word) => word !== ""),
  };
}

/** @throws {RpcError} NOT_FOUND: it is not there */
async function usageOf({ host }: Driver, volume: Volume, path: string): Promise<VolumeUsage[]> {
  const found = await stat(path).catch(() => null);
  if (found === null || (await host.mounts.at(path)) === null)
    throw notFound(`volume ${volume.name} is not mounted at ${path}`);
  if (found.isBlockDevice())
    return [{ unit: UsageUnit.BYTES, total: Number(volume.size), used: 0, available: 0 }];
  const { bsize, blocks, bfree, bavail, files, ffree } = await statfs(path);
  return [
    { unit: UsageUnit.BYTES, total: blocks * bsize, used: (blocks - bfree) * bsize, available: bavail * bsize }, // prettier-ignore
    { unit: UsageUnit.INODES, total: files, used: files - ffree, available: ffree },
  ];
}

/** In words; null: it is as it should be. */
function volumeFault(volume: Volume, node: string): string | null {
  const { state, robustness, replicas, numberOfReplicas } = volume;
  if (state !== "attached" || endpointOn(volume, node) === "") return `the volume is ${state}, not attached to ${node}`; // prettier-ignore
  if (robustness === "healthy") return null;
  const whole = replicas.filter(({ mode }) => mode === "RW").length;
  return `the volume is ${robustness}: ${whole} of ${numberOfReplicas} replicas are whole`;
}

async function mountFault({ host }: Driver, path: string): Promise<string | null> {
  if ((await numberOf(path)) !== null) return null;
  const fault = await host.mounts.fault(path).catch((error: unknown) => (error as Error).message);
  return fault === null ? null : `the file system at ${path} cannot be used: ${fault}`;
}

async function expand(
  { host, node }: Driver,
  volume: Volume,
  path: string,
  size: number,
  secrets: Record<string, string>,
): Promise<void> {
  const { name, encrypted } = volume;
  const own = endpointOn(volume, node);
  if (own === "") throw refused(`volume ${name} is not attached to ${node}`);
  const mount = await host.mounts.at(path);
  if (mount === null) throw notFound(`volume ${name} is not mounted at ${path}`);
  await waitForDevice(own, size);
  const device = encrypted ? await host.crypt.inClear(own, name) : own;
  if (encrypted && (await deviceSize(device)) < (await deviceSize(own)) - LUKS_HEADER_BYTES)
    await host.crypt.grow(name, cryptKeyOf(secrets));
  if ((await numberOf(path)) === null)
    await growFileSystem(host.commands, { device, path, type: mount.fileSystem });
}
