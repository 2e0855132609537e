/** The Controller service: validate, call, map. What is done for volumes and snapshots is beside it. */
import { status } from "@grpc/grpc-js";
import { ControllerRpcType, type Controller, type CreateVolumeRequest } from "../proto/csi.js";
import { RpcError } from "../proto/rpc-error.js";
import type { Handlers } from "../proto/unary.js";
import { accessesOf, accessOf, type Access } from "./capability.js";
import { capacityOf } from "./capacity.js";
import { HOSTNAME_TOPOLOGY, type Driver } from "./driver.js";
import { invalid, notFound, refused } from "./errors.js";
import { notYet, parseSnapshotHandle, snapshotTypeOf } from "./handles.js";
import { LUKS_HEADER_BYTES, XFS_BYTES_MIN } from "./limits.js";
import { Locks } from "./locks.js";
import { attachmentName, snapshotName, volumeName } from "./names.js";
import { volumeFieldsOf } from "./parameters.js";
import { sizeOf } from "./size.js";
import { createSnapshot, deleteSnapshot, findSnapshot } from "./snapshots.js";
import {
  attachVolume,
  createVolume,
  deleteVolume,
  detachVolume,
  expandVolume,
  needVolume,
} from "./volumes.js";

const CAPABILITIES = [
  ControllerRpcType.CREATE_DELETE_VOLUME,
  ControllerRpcType.PUBLISH_UNPUBLISH_VOLUME,
  ControllerRpcType.EXPAND_VOLUME,
  ControllerRpcType.CREATE_DELETE_SNAPSHOT,
  ControllerRpcType.CLONE_VOLUME,
  ControllerRpcType.GET_CAPACITY,
];

export function controllerHandlers(driver: Driver): Handlers<typeof Controller> {
  const { manager } = driver;
  const locks = new Locks();
  const ticketOf = (volume: string, node: string) => ({
    volume,
    node,
    id: attachmentName(volume, driver.name, node),
  });
  return {
    controllerGetCapabilities: () =>
      Promise.resolve({ capabilities: CAPABILITIES.map((type) => ({ rpc: { type } })) }),

    createVolume: (request) => {
      if (request.name === "") throw invalid("the volume's name is missing");
      const accesses = accessesOf(request.volumeCapabilities);
      return locks.hold(`volume ${volumeName(request.name)}`, null, "creation", () =>
        create(driver, request, accesses),
      );
    },

    deleteVolume: async ({ volumeId }) => {
      needId(volumeId);
      await locks.hold(`volume ${volumeId}`, null, "deletion", () => deleteVolume(manager, volumeId));
      return {};
    },

    controllerPublishVolume: async ({ volumeId, nodeId, volumeCapability }) => {
      needId(volumeId);
      if (nodeId === "") throw invalid("the node's id is missing");
      const { isShared } = accessOf(volumeCapability);
      if ((await manager.get("nodes", nodeId)) === null) throw notFound(`node ${nodeId} is not found`);
      // It may wait for another node to let go, which comes by an unpublication from there.
      await locks.hold(`volume ${volumeId}`, nodeId, "publication", () =>
        attachVolume(manager, ticketOf(volumeId, nodeId), isShared),
      );
      return { publishContext: {} };
    },

    controllerUnpublishVolume: async ({ volumeId, nodeId }) => {
      needId(volumeId);
      await locks.hold(`volume ${volumeId}`, nodeId, "unpublication", () =>
        detachVolume(manager, ticketOf(volumeId, nodeId)),
      );
      return {};
    },

    validateVolumeCapabilities: async ({ volumeId, volumeCapabilities, volumeContext, parameters }) => {
      needId(volumeId);
      accessesOf(volumeCapabilities);
      await needVolume(manager, volumeId);
      return { confirmed: { volumeContext, volumeCapabilities, parameters, mutableParameters: {} } };
    },

    getCapacity: async ({ accessibleTopology, parameters }) => {
      const name = accessibleTopology?.segments[HOSTNAME_TOPOLOGY] ?? "";
      const nodes = name === "" ? await manager.list("nodes") : [await needNode(driver, name)];
      const rules = await capacityRules(driver);
      return { availableCapacity: Math.max(0, ...nodes.map((node) => capacityOf(node, parameters, rules))) };
    },

    createSnapshot: async ({ name, sourceVolumeId, parameters }) => {
      if (name === "") throw invalid("the snapshot's name is missing");
      if (sourceVolumeId === "") throw invalid("the id of the snapshot's volume is missing");
      const type = snapshotTypeOf(parameters);
      if (type === null) throw invalid(`parameter type: "${String(parameters["type"])}" is none of snap, bak, bi`); // prettier-ignore
      if (type !== "snap") throw notYet(type, `snapshot ${name}`);
      await needVolume(manager, sourceVolumeId);
      const ours = snapshotName(name);
      const snapshot = await locks.hold(`snapshot ${ours}`, null, "creation", () =>
        createSnapshot(manager, sourceVolumeId, ours, parameters),
      );
      return { snapshot };
    },

    deleteSnapshot: async ({ snapshotId }) => {
      if (snapshotId === "") throw invalid("the snapshot's id is missing");
      const handle = parseSnapshotHandle(snapshotId);
      if (handle === null) return {};
      if (handle.type !== "snap") throw notYet(handle.type, `snapshot ${snapshotId}`);
      await locks.hold(`snapshot ${handle.snapshot}`, null, "deletion", () =>
        deleteSnapshot(manager, handle.volume, handle.snapshot),
      );
      return {};
    },

    controllerExpandVolume: async ({ volumeId, capacityRange, volumeCapability }) => {
      needId(volumeId);
      if (capacityRange === null) throw invalid("the capacity range is missing");
      // Not all who ask for it say how the volume is used.
      const access = volumeCapability === null ? null : accessOf(volumeCapability);
      const volume = await needVolume(manager, volumeId);
      const size = sizeOf(capacityRange, Number(volume.size));
      const after = await locks.hold(`volume ${volumeId}`, null, "expansion", () =>
        expandVolume(manager, volumeId, size),
      );
      const isForNode = access?.type !== "block" || after.encrypted;
      return {
        capacityBytes: Number(after.size),
        nodeExpansionRequired: isForNode && after.state === "attached",
      };
    },
  };
}

function needId(volume: string): void {
  if (volume === "") throw invalid("the volume's id is missing");
}

async function create(driver: Driver, request: CreateVolumeRequest, accesses: readonly Access[]) {
  const { parameters, capacityRange, volumeContentSource } = request;
  const fields = volumeFieldsOf(parameters, accesses.some(({ isShared }) => isShared)); // prettier-ignore
  const source = await sourceOf(driver, request);
  const size = sizeOf(capacityRange, source?.size);
  if (source !== null && source.size !== size)
    throw new RpcError(status.OUT_OF_RANGE, `${source.dataSource} has ${source.size} bytes: a clone has the size of its source, not ${size}`); // prettier-ignore
  const isXfs = accesses.some((access) => access.type === "mount" && access.fileSystem === "xfs");
  if (isXfs && source === null && size < XFS_BYTES_MIN)
    throw new RpcError(status.OUT_OF_RANGE, `xfs needs ${XFS_BYTES_MIN} bytes, not ${size}`);
  if (fields.encrypted === true && size <= LUKS_HEADER_BYTES)
    throw new RpcError(status.OUT_OF_RANGE, `an encrypted volume has to have more than ${LUKS_HEADER_BYTES} bytes, not ${size}`); // prettier-ignore
  const given = { ...fields, ...(source === null ? {} : { dataSource: source.dataSource }) };
  const { name } = await createVolume(driver.manager, {
    ...given,
    name: volumeName(request.name),
    size: String(size),
  });
  const context = {
    ...parameters,
    share: String(given.accessMode === "rwx"),
    ...(source === null ? {} : { dataSource: source.dataSource }),
  };
  return {
    volume: {
      volumeId: name,
      capacityBytes: size,
      volumeContext: context,
      contentSource: volumeContentSource,
      accessibleTopology: [],
    },
  };
}

/** @throws {RpcError} NOT_FOUND, FAILED_PRECONDITION: no volume can be made from it */
async function sourceOf(
  { manager }: Driver,
  { volumeContentSource }: CreateVolumeRequest,
): Promise<{ dataSource: string; size: number } | null> {
  if (volumeContentSource === null) return null;
  const { snapshot, volume } = volumeContentSource;
  if (volume !== null) {
    const { size } = await needVolume(manager, volume.volumeId);
    return { dataSource: `vol://${volume.volumeId}`, size: Number(size) };
  }
  const id = snapshot?.snapshotId ?? "";
  const handle = parseSnapshotHandle(id);
  if (handle === null) throw notFound(`snapshot ${JSON.stringify(id)} is not found`);
  if (handle.type !== "snap") throw notYet(handle.type, `content source ${id}`);
  const found = await findSnapshot(manager, handle.volume, handle.snapshot);
  if (found === null) throw notFound(`snapshot ${id} is not found`);
  // What is made from one that is being removed would never be ready either.
  if (!found.readyToUse) throw refused(`snapshot ${id} was not taken yet, or is being removed`);
  const { size } = await needVolume(manager, handle.volume);
  return { dataSource: id, size: Number(size) };
}

async function needNode({ manager }: Driver, name: string) {
  const node = await manager.get("nodes", name);
  if (node === null) throw notFound(`node ${name} is not found`);
  return node;
}

async function capacityRules({ manager }: Driver) {
  const settings = new Map((await manager.list("settings")).map(({ name, value }) => [name, value]));
  return {
    overProvisioning: Number(settings.get("storage-over-provisioning-percentage") ?? 100),
    allowEmptyNodeSelector: settings.get("allow-empty-node-selector-volume") === "true",
    allowEmptyDiskSelector: settings.get("allow-empty-disk-selector-volume") === "true",
  };
}
