/** Longhorn's ControllerService on a controller. */
import { status } from "@grpc/grpc-js";
import type { ControllerReplica, ControllerService } from "../../proto/longhorn.js";
import { versionOutput } from "../../proto/longhorn-version.js";
import { RpcError } from "../../proto/rpc-error.js";
import type { Handlers } from "../../proto/unary.js";
import type { Controller } from "./controller.js";

/** @param version our own */
export function controllerHandlers(
  controller: Controller,
  version: string,
): Handlers<typeof ControllerService> {
  const after = async (change: Promise<unknown>) => {
    await change;
    return controller.volume();
  };
  const replica = (address: string): ControllerReplica => {
    const found = controller.replicas().find((one) => one.address === address);
    if (found === undefined) throw new RpcError(status.NOT_FOUND, `replica ${address} is not in the list`);
    return { address: { address, instanceName: "" }, mode: found.mode };
  };
  const now = <T>(answer: () => T): Promise<T> => Promise.resolve().then(answer);
  let rebuildConcurrentSyncLimit = 1;
  return {
    volumeGet: () => now(() => controller.volume()),
    volumeStart: ({ replicaAddresses, size, currentSize }) =>
      after(controller.start(replicaAddresses, size, currentSize)),
    volumeShutdown: () => after(controller.shutdown()),
    volumeSnapshot: async ({ name, labels, freezeFilesystem }) => ({
      name: await controller.snapshot(name, labels, freezeFilesystem),
    }),
    volumeRevert: ({ name }) => after(controller.revert(name)),
    volumeExpand: ({ size }) => after(controller.expand(size)),
    volumeFrontendStart: ({ frontend }) => after(controller.frontendStart(frontend)),
    volumeFrontendShutdown: () => after(controller.frontendShutdown()),
    volumeUnmapMarkSnapChainRemovedSet: ({ enabled }) => after(controller.setUnmapMark(enabled)),
    volumeSnapshotMaxCountSet: ({ count }) => after(controller.setSnapshotMaxCount(count)),
    volumeSnapshotMaxSizeSet: ({ size }) => after(controller.setSnapshotMaxSize(size)),
    volumeIO: () => now(() => unimplemented("method VolumeIO not implemented")), // as in Longhorn
    replicaList: () =>
      now(() => ({ replicas: controller.replicas().map(({ address }) => replica(address)) })),
    replicaGet: ({ address }) => now(() => replica(address)),
    controllerReplicaCreate: async ({ address, snapshotRequired, mode }) => {
      await controller.addReplica(address, snapshotRequired, mode);
      return replica(address);
    },
    replicaDelete: async ({ address }) => {
      await controller.removeReplica(address);
      return {};
    },
    replicaUpdate: async ({ address, mode }) => {
      await controller.setReplicaMode(address?.address ?? "", mode);
      return replica(address?.address ?? "");
    },
    replicaPrepareRebuild: async ({ address }) => {
      replica(address);
      const syncFileInfoList = await controller.prepareRebuild(address);
      return { replica: replica(address), syncFileInfoList };
    },
    replicaVerifyRebuild: async ({ address }) => {
      replica(address);
      await controller.verifyRebuild(address);
      return replica(address);
    },
    journalList: ({ limit }) =>
      now(() => {
        process.stdout.write(`${JSON.stringify({ limit, metrics: controller.metrics() })}\n`);
        return {};
      }),
    versionDetailGet: () => now(() => ({ version: versionOutput(version) })),
    metricsGet: () => now(() => ({ metrics: controller.metrics() })),
    replicaRebuildConcurrentSyncLimitSet: ({ limit }) =>
      now(() => {
        if (limit <= 0)
          throw new RpcError(status.INVALID_ARGUMENT, `the limit must be positive, not ${limit}`);
        rebuildConcurrentSyncLimit = limit;
        return {};
      }),
    replicaRebuildConcurrentSyncLimitGet: () => now(() => ({ limit: rebuildConcurrentSyncLimit })),
  };
}

function unimplemented(text: string): never {
  throw new RpcError(status.UNIMPLEMENTED, text);
}
