/** Calls of the proxy about a volume's replicas. */
import { status } from "@grpc/grpc-js";
import {
  addReplica,
  addRestoreReplica,
  rebuildStatus,
  removeReplica,
  verifyRebuild,
} from "../../../engine/client/rebuild.js";
import { statusOfReplicas } from "../../../engine/client/snapshots.js";
import type { VolumeClient } from "../../../engine/client/volume.js";
import type { ProxyEngineService } from "../../../proto/instance-manager.js";
import { RpcError } from "../../../proto/rpc-error.js";
import type { Handlers } from "../../../proto/unary.js";
import { done, withEngine } from "./engine.js";

export const replicaCalls = {
  replicaList: (request) =>
    withEngine(request, async ({ engine }) => ({
      replicaList: await engine.call(
        `failed to list replicas for volume ${engine.address}`,
        (calls, options) => calls.replicaList({}, options),
      ),
    })),
  // Answers when the replica is rebuilt. Data go by TCP also where both are on one node.
  replicaAdd: ({ proxyEngineRequest, replicaAddress, replicaName, restore, size, currentSize, ...options }) =>
    withEngine(proxyEngineRequest, async (volume) => {
      if (replicaAddress === "") throw new RpcError(status.INVALID_ARGUMENT, "replica address is required");
      const added = { address: replicaAddress, instanceName: replicaName, size, currentSize };
      await (restore ? addRestoreReplica(volume, added) : addReplica(volume, added, options));
      return {};
    }),
  replicaRebuildingStatus: (request) =>
    withEngine(request, async (volume) => ({ status: await rebuildsOf(volume) })),
  replicaRebuildingQosSet: () =>
    Promise.reject(
      new RpcError(status.UNIMPLEMENTED, "ReplicaRebuildingQosSet is not supported for the v1 data engine"),
    ),
  replicaVerifyRebuild: ({ proxyEngineRequest, replicaAddress, replicaName }) =>
    withEngine(proxyEngineRequest, async (volume) => {
      // Is it who the caller means? The engine knows no instances.
      await volume.replica(replicaAddress, replicaName);
      await verifyRebuild(volume, replicaAddress, replicaName);
      return {};
    }),
  replicaRemove: ({ proxyEngineRequest, replicaAddress }) =>
    withEngine(proxyEngineRequest, (volume) => removeReplica(volume, replicaAddress).then(done)),
  replicaModeUpdate: ({ proxyEngineRequest, replicaAddress, mode }) =>
    withEngine(proxyEngineRequest, ({ engine }) =>
      engine
        .call(`failed to update replica ${replicaAddress} for volume ${engine.address}`, (calls, options) =>
          calls.replicaUpdate({ address: { address: replicaAddress, instanceName: "" }, mode }, options),
        )
        .then(done),
    ),
} satisfies Partial<Handlers<typeof ProxyEngineService>>;

/** Of those that are being rebuilt, by address. */
export async function rebuildsOf(volume: VolumeClient) {
  return Object.fromEntries(
    await statusOfReplicas(
      volume,
      ["WO"],
      (address) => rebuildStatus(volume, address),
      ({ message }) => ({
        ...{ isRebuilding: false, error: message, progress: 0, state: "error" },
        ...{ fromReplicaAddress: "", fromReplicaAddressList: [] },
      }),
    ),
  );
}
