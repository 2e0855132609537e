/** Calls of the proxy about snapshots: the engine takes and reverts to them, the replicas do the rest. */
import {
  cloneSnapshot,
  cloneStatus,
  describeSnapshots,
  hashSnapshot,
  hashStatus,
  purgeSnapshots,
  purgeStatus,
  removeSnapshot,
  statusOfReplicas,
} from "../../../engine/client/snapshots.js";
import { VolumeClient } from "../../../engine/client/volume.js";
import { CloneMode, type ProxyEngineService } from "../../../proto/instance-manager.js";
import { status } from "@grpc/grpc-js";
import { RpcError } from "../../../proto/rpc-error.js";
import type { Handlers } from "../../../proto/unary.js";
import { done, withEngine } from "./engine.js";

export const snapshotCalls = {
  volumeSnapshot: ({ proxyEngineRequest, snapshotVolume }) =>
    withEngine(proxyEngineRequest, async ({ engine }) => {
      const { name = "", labels = {}, freezeFilesystem = false } = snapshotVolume ?? {};
      const snapshot = await engine.call(
        `failed to create snapshot ${name} for volume ${engine.address}`,
        (calls, options) => calls.volumeSnapshot({ name, labels, freezeFilesystem }, options),
      );
      return { snapshot };
    }),
  snapshotList: (request) => withEngine(request, async (volume) => ({ disks: await disksOf(volume) })),
  snapshotRevert: ({ proxyEngineRequest, name }) =>
    withEngine(proxyEngineRequest, ({ engine }) =>
      engine
        .call(`failed to revert to snapshot ${name} for volume ${engine.address}`, (calls, options) =>
          calls.volumeRevert({ name }, options),
        )
        .then(done),
    ),
  snapshotRemove: ({ proxyEngineRequest, names }) =>
    withEngine(proxyEngineRequest, async (volume) => {
      const failures: unknown[] = [];
      for (const name of names)
        await removeSnapshot(volume, name).catch((error: unknown) => failures.push(error));
      if (failures.length > 0) throw failures.at(-1) as Error;
      return {};
    }),
  snapshotPurge: ({ proxyEngineRequest, skipIfInProgress }) =>
    withEngine(proxyEngineRequest, async (volume) => {
      const failures = await purgeSnapshots(volume, skipIfInProgress);
      if (failures.length > 0) throw new Error(failures.map(({ message }) => message).join("; "));
      return {};
    }),
  snapshotPurgeStatus: (request) =>
    withEngine(request, async (volume) => ({ status: await purgesOf(volume) })),
  snapshotClone: ({
    proxyEngineRequest,
    fromEngineAddress,
    fromEngineName,
    fromVolumeName,
    cloneMode,
    ...request
  }) =>
    withEngine(proxyEngineRequest, async (target) => {
      if (cloneMode !== CloneMode.CLONE_MODE_FULL_COPY)
        throw new RpcError(status.UNIMPLEMENTED, "linked clones are not supported for the v1 data engine");
      const source = new VolumeClient(fromEngineAddress, {
        volumeName: fromVolumeName,
        engineInstanceName: fromEngineName,
      });
      try {
        await cloneSnapshot(target, source, request);
      } finally {
        source.close();
      }
      return {};
    }),
  snapshotCloneStatus: (request) =>
    withEngine(request, async (volume) => ({ status: await clonesOf(volume) })),
  snapshotHash: ({ proxyEngineRequest, snapshotName, rehash }) =>
    withEngine(proxyEngineRequest, (volume) => hashSnapshot(volume, snapshotName, rehash).then(done)),
  snapshotHashStatus: ({ proxyEngineRequest, snapshotName }) =>
    withEngine(proxyEngineRequest, async (volume) => ({
      status: Object.fromEntries(
        await statusOfReplicas(
          volume,
          ["RW", "WO"],
          (address) => hashStatus(volume, address, snapshotName),
          ({ message }) => ({ state: "error", checksum: "", error: message, silentlyCorrupted: false }),
        ),
      ),
    })),
} satisfies Partial<Handlers<typeof ProxyEngineService>>;

/** By bare name, as SnapshotList has them. */
export async function disksOf(volume: VolumeClient) {
  return Object.fromEntries((await describeSnapshots(volume)) ?? []);
}

/** By address. */
export async function purgesOf(volume: VolumeClient) {
  return Object.fromEntries(
    await statusOfReplicas(
      volume,
      ["RW", "WO"],
      (address) => purgeStatus(volume, address),
      ({ message }) => ({ isPurging: false, error: message, progress: 0, state: "error" }),
    ),
  );
}

/** By address. */
export async function clonesOf(volume: VolumeClient) {
  return Object.fromEntries(
    await statusOfReplicas(
      volume,
      ["RW", "WO"],
      (address) => cloneStatus(volume, address),
      ({ message }) => ({
        ...{ isCloning: false, error: message, progress: 0, state: "error" },
        ...{ fromReplicaAddress: "", snapshotName: "" },
      }),
    ),
  );
}
