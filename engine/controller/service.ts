/** Longhorn's ControllerService on a controller. */
import { status } from "@grpc/grpc-js";
import { ReplicaMode, type ControllerReplica, type ControllerService } from "../../proto/longhorn.js";
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
    volumeSnapshot: async ({ name, labels }) => ({ name: await controller.snapshot(name, labels) }),
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
    controllerReplicaCreate: ({ address }) =>
      now(() => {
        controller.checkJoining(address);
        // A replica that is in the list already is told as it is.
        if (controller.replicas().some((one) => one.address === address)) return replica(address);
        return unimplemented("a replica cannot join a running volume yet");
      }),
    replicaDelete: async ({ address }) => {
      await controller.removeReplica(address);
      return {};
    },
    replicaUpdate: async ({ address, mode }) => {
      await controller.setReplicaMode(address?.address ?? "", mode);
      return replica(address?.address ?? "");
    },
    replicaPrepareRebuild: ({ address }) => wo(address, "a rebuild from outside cannot be prepared yet"),
    replicaVerifyRebuild: ({ address }) =>
      now(() => {
        const found = replica(address);
        return found.mode === ReplicaMode.RW
          ? found
          : unimplemented("a rebuild from outside cannot be verified yet");
      }),
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

  function wo(address: string, missing: string): Promise<never> {
    return now(() => {
      const { mode } = replica(address);
      if (mode !== ReplicaMode.WO)
        throw new Error(`invalid mode ${mode} for replica ${address} to prepare rebuild`);
      return unimplemented(missing);
    });
  }
}

function unimplemented(text: string): never {
  throw new RpcError(status.UNIMPLEMENTED, text);
}
