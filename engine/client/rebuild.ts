/** Adding a replica to a running volume, driven from outside in Longhorn's order of calls. Broken off, it is gone on with. */
import { setTimeout as sleep } from "node:timers/promises";
import { ReplicaMode, type SyncFileInfo } from "../../proto/longhorn.js";
import { isUnavailable } from "../../proto/rpc-error.js";
import { isHeadFile } from "../disks.js";
import { hostOf, grpcAddress } from "./addresses.js";
import type { ReplicaConnection } from "./connections.js";
import {
  CLOSE_WAIT_MS,
  LONG_CALL_TIMEOUT_MS,
  POLL_MS,
  QUERY_FAILURES_MAX,
  QUERY_TIMEOUT_MS,
} from "./limits.js";
import { purgeStatus } from "./snapshots.js";
import { getReplica, type ListedReplica, type VolumeClient } from "./volume.js";

export interface NewReplica {
  address: string;
  /** "" when it is not known */
  instanceName: string;
  /** bytes */
  size: number;
  /** bytes */
  currentSize: number;
}

export interface RebuildOptions {
  fastSync: boolean;
  /** seconds */
  fileSyncHttpClientTimeout: number;
  /** 0: a day */
  grpcTimeoutSeconds: number;
}

export function startVolume(
  volume: VolumeClient,
  sizes: Pick<NewReplica, "size" | "currentSize">,
  replicaAddresses: string[],
) {
  return volume.engine.call(`failed to start volume ${volume.engine.address}`, (calls, options) =>
    calls.volumeStart({ ...sizes, replicaAddresses }, options),
  );
}

/** Blocks until the replica is rebuilt. */
export async function addReplica(
  volume: VolumeClient,
  added: NewReplica,
  options: RebuildOptions,
): Promise<void> {
  const { address, instanceName, size, currentSize } = added;
  const { size: volumeSize, replicaCount } = await volume.get();
  if (replicaCount === 0) {
    await startVolume(volume, { size, currentSize }, [address]);
    return;
  }
  const { state } = await volume.replica(address, instanceName);
  let mode = await modeOf(volume, address);
  if (mode === "ERR") {
    // Of an earlier attempt, or of a copy that failed: what it has is gone on with.
    await removeReplica(volume, address);
    await closed(volume, added);
    mode = null;
  }
  if (mode === null)
    await volume.withReplica(address, (replica) => prepare(replica, volumeSize), instanceName);
  const isResumed = mode === "WO" && state === "rebuilding";
  await createReplica(volume, added, true);
  try {
    await fill(volume, added, options, isResumed);
  } catch (error) {
    await takeBack(volume, added, isResumed).catch(() => undefined);
    throw error;
  }
  // From here on it is the engine's: what cannot be verified it sets to ERR itself, and may still be at it when this call has failed.
  await verifyRebuild(volume, address, instanceName);
  await volume.withReplica(address, (replica) => setRebuilding(replica, false), instanceName);
}

/** Brings the files that the copies have, and has them loaded. */
async function fill(
  volume: VolumeClient,
  added: NewReplica,
  options: RebuildOptions,
  isResumed: boolean,
): Promise<void> {
  const { address, instanceName } = added;
  const mode = await modeOf(volume, address);
  if (mode === null) throw new Error("failed to find target replica to copy to");
  if (mode !== "WO") throw new Error(`replica ${address} is not in mode WO got: ${mode}`);
  if (!isResumed) await volume.withReplica(address, (replica) => setRebuilding(replica, true), instanceName);
  if (!isResumed || !(await areFilesSynced(volume, added))) await copyFiles(volume, added, options);
  await volume.withReplica(
    address,
    (replica) =>
      replica.call(`failed to reload replica ${replica.address}`, (calls, callOptions) =>
        calls.replicaReload({}, callOptions),
      ),
    instanceName,
  );
}

/** A rebuild that has failed ends in ERR, as one does that cannot be verified: while it is WO all writes go to it, and no other replica can be
 * added. Where somebody may still copy to it (another caller, or what was begun here, past a time limit), that can be gone on with. */
async function takeBack(
  volume: VolumeClient,
  { address, instanceName }: NewReplica,
  isResumed: boolean,
): Promise<void> {
  if ((await modeOf(volume, address)) !== "WO") return;
  if (!(await isGivenUp(volume, address, isResumed))) return;
  await volume.engine.call(`failed to set replica ${address} to ERR`, (calls, options) =>
    calls.replicaUpdate({ address: { address, instanceName }, mode: ReplicaMode.ERR }, options),
  );
}

/** Whether surely nobody copies to it any more.
 * @param isResumed somebody else began, and may have gone further than this caller */
async function isGivenUp(volume: VolumeClient, address: string, isResumed: boolean): Promise<boolean> {
  try {
    const { isRebuilding, state } = await rebuildStatus(volume, address);
    return !isRebuilding && (!isResumed || state === "error");
  } catch (error) {
    // An agent that is not there copies nothing; one that does not answer may.
    return !isResumed && isUnavailable(error);
  }
}

/** Adds a replica to a volume that is being restored: its data come with the next restore. */
export async function addRestoreReplica(volume: VolumeClient, added: NewReplica): Promise<void> {
  const { address, instanceName, size, currentSize } = added;
  const { size: volumeSize, replicaCount } = await volume.get();
  if (replicaCount === 0) {
    await startVolume(volume, { size, currentSize }, [address]);
    return;
  }
  const replicaSize = Number((await volume.replica(address, instanceName)).size);
  if (replicaSize !== volumeSize)
    throw new Error(`rebuilding replica size ${replicaSize} is not the same as volume size ${volumeSize}`);
  await createReplica(volume, added, false);
}

/** Makes a new replica as large as the volume, and forgets a rebuild of it that was broken off. */
async function prepare(replica: ReplicaConnection, volumeSize: number): Promise<void> {
  let found = await getReplica(replica);
  const size = Number(found.size);
  if (size > volumeSize) throw new Error(`cannot add new replica larger than size ${volumeSize}`);
  if (size < volumeSize) {
    const closed = found.state === "closed";
    if (closed) await openReplica(replica);
    await replica.call(`failed to expand replica ${replica.address}`, (calls, options) =>
      calls.replicaExpand({ size: volumeSize }, options),
    );
    if (closed) await closeReplica(replica);
    found = await getReplica(replica);
  }
  if (found.state !== "closed" || !found.rebuilding) return;
  await openReplica(replica);
  await setRebuilding(replica, false);
  await closeReplica(replica);
}

function openReplica(replica: ReplicaConnection) {
  return replica.call(`failed to open replica ${replica.address}`, (calls, options) =>
    calls.replicaOpen({}, options),
  );
}

function closeReplica(replica: ReplicaConnection) {
  return replica.call(`failed to close replica ${replica.address}`, (calls, options) =>
    calls.replicaClose({}, options),
  );
}

function setRebuilding(replica: ReplicaConnection, rebuilding: boolean) {
  return replica.call(
    `failed to set rebuilding to ${rebuilding} for replica ${replica.address}`,
    (calls, options) => calls.rebuildingSet({ rebuilding }, options),
  );
}

function createReplica({ engine }: VolumeClient, { address }: NewReplica, snapshotRequired: boolean) {
  return engine.call(`failed to create replica ${address} for volume ${engine.address}`, (calls, options) =>
    calls.controllerReplicaCreate({ address, snapshotRequired, mode: ReplicaMode.WO }, options),
  );
}

/** @returns null when the engine does not know the replica */
async function modeOf(volume: VolumeClient, address: string): Promise<ListedReplica["mode"] | null> {
  return (await volume.replicas()).find((replica) => replica.address === address)?.mode ?? null;
}

/** An engine closes in the background what it removes. */
async function closed(volume: VolumeClient, { address, instanceName }: NewReplica): Promise<void> {
  const deadline = performance.now() + CLOSE_WAIT_MS;
  while ((await volume.replica(address, instanceName)).state !== "closed" && performance.now() < deadline)
    await sleep(POLL_MS);
}

/** Waits for what somebody who is gone has begun.
 * @returns whether that was all */
async function areFilesSynced(volume: VolumeClient, { address }: NewReplica): Promise<boolean> {
  let failures = 0;
  for (;;) {
    try {
      const { isRebuilding, state } = await rebuildStatus(volume, address);
      if (!isRebuilding) return state === "complete";
      failures = 0;
    } catch (error) {
      if (++failures > QUERY_FAILURES_MAX) throw error;
    }
    await sleep(POLL_MS);
  }
}

/** From one copy, or from the next one when that fails. */
async function copyFiles(volume: VolumeClient, added: NewReplica, options: RebuildOptions): Promise<void> {
  const failed = new Set<string>();
  for (;;) {
    const source = await sourceOf(volume, failed);
    const files = await prepareRebuild(volume, added);
    try {
      await syncFiles(volume, added, source, files, options);
      return;
    } catch (error) {
      failed.add(source);
      const others = (await volume.replicas()).filter(
        ({ address, mode }) => mode === "RW" && !failed.has(address),
      );
      if (others.length === 0 || (await modeOf(volume, added.address)) !== "WO") throw error;
    }
  }
}

/** The first replica that may be read and whose files do not change at the moment. */
async function sourceOf(volume: VolumeClient, failed: ReadonlySet<string>): Promise<string> {
  for (const { address, mode } of await volume.replicas()) {
    if (mode !== "RW" || failed.has(address)) continue;
    if (!(await purgeStatus(volume, address)).isPurging) return address;
  }
  throw new Error("failed to find good replica to copy from");
}

async function prepareRebuild({ engine }: VolumeClient, { address, instanceName }: NewReplica) {
  const reply = await engine.call(
    `failed to prepare rebuilding replica ${address} for volume ${engine.address}`,
    (calls, options) => calls.replicaPrepareRebuild({ address, instanceName }, options),
  );
  const files = reply.syncFileInfoList;
  if (files.some(({ fromFileName }) => isHeadFile(fromFileName)))
    throw new Error("sync file list shouldn't contain volume head");
  return files;
}

function syncFiles(
  volume: VolumeClient,
  { address, instanceName }: NewReplica,
  source: string,
  syncFileInfoList: SyncFileInfo[],
  options: RebuildOptions,
) {
  const { grpcTimeoutSeconds } = options;
  const timeoutMs = grpcTimeoutSeconds > 0 ? grpcTimeoutSeconds * 1_000 : LONG_CALL_TIMEOUT_MS;
  const request = { ...options, fromAddress: grpcAddress(source), toHost: hostOf(address), syncFileInfoList };
  return volume.withSyncAgent(
    address,
    (agent) =>
      agent.call(
        `failed to sync files from ${source}`,
        (calls, callOptions) => calls.filesSync({ ...request, localSync: null }, callOptions),
        timeoutMs,
      ),
    instanceName,
  );
}

export function verifyRebuild({ engine }: VolumeClient, address: string, instanceName: string) {
  return engine.call(
    `failed to verify rebuilt replica ${address} for volume ${engine.address}`,
    (calls, options) => calls.replicaVerifyRebuild({ address, instanceName }, options),
    // What was written in between is compared: as long as that takes.
    LONG_CALL_TIMEOUT_MS,
  );
}

/** One that is not known is no error. */
export function removeReplica({ engine }: VolumeClient, address: string) {
  return engine.call(`failed to delete replica ${address} for volume ${engine.address}`, (calls, options) =>
    calls.replicaDelete({ address }, options),
  );
}

export function rebuildStatus(volume: VolumeClient, address: string) {
  return volume.withSyncAgent(address, (agent) =>
    agent.call(
      `failed to get replica rebuild status for replica ${agent.address}`,
      (calls, options) => calls.replicaRebuildStatus({}, options),
      QUERY_TIMEOUT_MS,
    ),
  );
}
