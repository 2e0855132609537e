/** Snapshots inside the cluster, by the objects that stand for them. */
import { status } from "@grpc/grpc-js";
import type { Snapshot } from "../proto/csi.js";
import { RpcError } from "../proto/rpc-error.js";
import type { RestClient } from "../rest-client/client.js";
import { RestError } from "../rest-client/errors.js";
import type { ResourceOf } from "../rest-client/resources.js";
import { formatSnapshotHandle } from "./handles.js";
import { waitFor } from "./waiting.js";

type SnapshotObject = ResourceOf<"snapshotCR">;

/** @returns null: the volume has none of that name, or there is no such volume */
export async function findSnapshot(
  manager: RestClient,
  volume: string,
  name: string,
): Promise<SnapshotObject | null> {
  try {
    return await manager.act("volumes", volume, "snapshotCRGet", { name });
  } catch (error) {
    if (error instanceof RestError && error.status === 404) return null;
    throw error;
  }
}

/** Makes it, or finds that it is made, and waits until volumes can be made from it.
 * @throws {RpcError} ALREADY_EXISTS: another volume has one of that name */
export async function createSnapshot(
  manager: RestClient,
  volume: string,
  name: string,
  labels: Record<string, string>,
): Promise<Snapshot> {
  if ((await findSnapshot(manager, volume, name)) === null)
    await manager
      .act("volumes", volume, "snapshotCRCreate", { name, labels })
      .catch(async (error: unknown) => {
        if (await findSnapshot(manager, volume, name)) return;
        const owner = await ownerOf(manager, name);
        if (owner === null) throw error;
        throw new RpcError(status.ALREADY_EXISTS, `volume ${owner} has a snapshot ${name} already`);
      });
  return waitFor(async () => {
    const object = await findSnapshot(manager, volume, name);
    if (object === null) throw new RpcError(status.INTERNAL, `snapshot ${name} of volume ${volume} is gone`);
    if ((object.error ?? "") !== "")
      throw new RpcError(status.INTERNAL, `snapshot ${name} of volume ${volume}: ${object.error ?? ""}`);
    // By a trim, where that is wanted, or by whoever deletes it: it does not become ready any more.
    if (object.markRemoved)
      throw new RpcError(status.INTERNAL, `snapshot ${name} of volume ${volume} was removed meanwhile`);
    return object.readyToUse
      ? { done: snapshotOf(object) }
      : { missing: `snapshot ${name} of volume ${volume} is not ready` };
  });
}

/** Names of snapshots are the cluster's, not the volume's. To be asked when one is taken: it looks at all volumes. */
async function ownerOf(manager: RestClient, name: string): Promise<string | null> {
  for (const volume of await manager.list("volumes"))
    if ((await findSnapshot(manager, volume.name, name)) !== null) return volume.name;
  return null;
}

/** Names of those of Kubernetes that a volume can be made from. They are inside of the volume that they are of. */
export async function usableSnapshots(manager: RestClient, volume: string): Promise<string[]> {
  const { data } = await manager.act("volumes", volume, "snapshotCRList", {});
  return data
    .filter(({ labels, readyToUse, userCreated }) => readyToUse && userCreated && labels["type"] === "snap")
    .map(({ name }) => name);
}

/** One that is not there, or whose volume is not, is no error. The data go when nothing needs them any more. */
export async function deleteSnapshot(manager: RestClient, volume: string, name: string): Promise<void> {
  await manager.act("volumes", volume, "snapshotCRDelete", { name }).catch((error: unknown) => {
    if (!(error instanceof RestError) || error.status !== 404) throw error;
  });
}

function snapshotOf({
  name,
  volume,
  creationTime,
  crCreationTime,
  restoreSize,
  readyToUse,
}: SnapshotObject): Snapshot {
  const created = Date.parse(creationTime === "" ? crCreationTime : creationTime);
  return {
    snapshotId: formatSnapshotHandle(volume, name),
    sourceVolumeId: volume,
    sizeBytes: restoreSize,
    creationTime: { seconds: Math.floor((Number.isNaN(created) ? Date.now() : created) / 1000), nanos: 0 },
    readyToUse,
    groupSnapshotId: "",
    accessibleTopology: [],
  };
}
