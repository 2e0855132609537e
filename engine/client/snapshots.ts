/** What a volume's clients do with its snapshots on all replicas: list, mark as removed, purge, clone, hash. */
import type { DiskInfo, Replica } from "../../proto/longhorn.js";
import { errorText, withContext } from "../../proto/rpc-error.js";
import { grpcAddress, hostOf } from "./addresses.js";
import { LONG_CALL_TIMEOUT_MS } from "./limits.js";
import type { ListedReplica, VolumeClient } from "./volume.js";

/** The head's bare name: no snapshot has it. */
export const HEAD = "volume-head";

/** The bare name of a snapshot's file. */
export function snapshotName(file: string): string {
  return file.replace(/^volume-snap-/, "").replace(/\.img$/, "");
}

export function snapshotFile(name: string): string {
  return `volume-snap-${name}.img`;
}

/** Names in the chain of every RW replica, newest first. */
export async function listSnapshots(volume: VolumeClient): Promise<string[]> {
  let common: string[] | null = null;
  for (const { chain } of await readable(volume)) {
    if (common === null) {
      // A replica that has just been started may not have its head yet.
      if (chain.length === 0) break;
      common = chain.slice(1);
    } else common = common.filter((file) => chain.includes(file));
  }
  return (common ?? []).map(snapshotName);
}

/** What each RW replica says of itself, in the list's order; one that was dropped meanwhile, as it answered nobody, says nothing.
 * @throws {Error} */
async function readable(volume: VolumeClient): Promise<Replica[]> {
  const asked = await readableAddresses(volume);
  const answers = await Promise.allSettled(asked.map((address) => volume.replica(address)));
  const heard = answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : []));
  if (heard.length === asked.length) return heard;
  const left = await readableAddresses(volume);
  for (const [index, answer] of answers.entries())
    if (answer.status === "rejected" && left.includes(asked[index] ?? "")) throw answer.reason as Error;
  return heard;
}

async function readableAddresses(volume: VolumeClient): Promise<string[]> {
  return (await volume.replicas()).filter(({ mode }) => mode === "RW").map(({ address }) => address);
}

/** The address of the first replica that may be read. */
export async function firstReadable(volume: VolumeClient): Promise<string> {
  const [found] = await readableAddresses(volume);
  if (found === undefined) throw new Error("cannot find a suitable replica");
  return found;
}

/** All disks by bare name, of the RW replica that has most: there something may still be under way. Null without one. */
export async function describeSnapshots(volume: VolumeClient): Promise<Map<string, DiskInfo> | null> {
  let most: Map<string, DiskInfo> | null = null;
  for (const replica of await readable(volume)) {
    const disks = bareDisks(replica);
    if (disks.size > (most?.size ?? 0)) most = disks;
  }
  return most;
}

function bareDisks({ disks, backingFile }: Replica): Map<string, DiskInfo> {
  const rows = Object.entries(disks)
    .filter(([file]) => file !== backingFile)
    .map(([file, disk]): [string, DiskInfo] => {
      const children = Object.fromEntries(Object.keys(disk.children).map((child) => [bareName(child), true]));
      const parent = disk.parent === "" ? "" : bareName(disk.parent);
      return [bareName(file), { ...disk, name: bareName(file), parent, children }];
    });
  return new Map(rows);
}

function bareName(file: string): string {
  return file.startsWith(HEAD) ? HEAD : snapshotName(file);
}

/** Marks a snapshot as removed on all replicas. One that none of them has is no error. */
export async function removeSnapshot(volume: VolumeClient, name: string): Promise<void> {
  const replicas = await volume.replicas();
  for (const { address } of replicas) {
    if ((await volume.replica(address)).rebuilding)
      throw new Error(`cannot remove a snapshot because ${address} is rebuilding`);
  }
  for (const { address, mode } of replicas) {
    if (mode !== "RW")
      throw new Error(`can only mark snapshot as removed from replica in mode RW, got ${mode}`);
    await volume.withReplica(address, (replica) =>
      replica.call(
        `failed to mark disk ${name} as removed for replica ${replica.address}`,
        (calls, options) => calls.diskMarkAsRemoved({ name }, options),
      ),
    );
    // What is being removed need not be hashed; a sync agent that cannot be asked does not keep it from being removed.
    await cancelHash(volume, address, name).catch(() => undefined);
  }
}

/** Starts purging on all replicas.
 * @param skip to be silent about those that are at it */
export async function purgeSnapshots(volume: VolumeClient, skip: boolean): Promise<Error[]> {
  const replicas = await volume.replicas();
  for (const { address } of replicas) {
    if ((await volume.replica(address)).rebuilding)
      throw new Error(`cannot purge snapshots because ${address} is rebuilding`);
    const { isPurging } = await purgeStatus(volume, address);
    if (!isPurging) continue;
    if (skip) return [];
    throw new Error(`cannot purge snapshots because ${address} is already purging snapshots`);
  }
  const failures: Error[] = [];
  await Promise.all(
    replicas.map(({ address }) =>
      volume
        .withSyncAgent(address, (agent) =>
          agent.call(`failed to purge snapshots for replica ${agent.address}`, (calls, options) =>
            calls.snapshotPurge({}, options),
          ),
        )
        .catch((error: unknown) => {
          if (skip && String(error).includes("already purging")) return;
          failures.push(withContext(`replica ${address} failed to start snapshot purge`, error));
        }),
    ),
  );
  return failures;
}

export function purgeStatus(volume: VolumeClient, address: string) {
  return volume.withSyncAgent(address, (agent) =>
    agent.call(`failed to get snapshot purge status for replica ${agent.address}`, (calls, options) =>
      calls.snapshotPurgeStatus({}, options),
    ),
  );
}

export interface CloneOptions {
  snapshotName: string;
  exportBackingImageIfExist: boolean;
  /** seconds */
  fileSyncHttpClientTimeout: number;
  /** 0: a day */
  grpcTimeoutSeconds: number;
}

/** Copies a snapshot of `source` into every replica of `target`: from one copy, or from the next one when that fails, as one does
 * where the snapshot has rotted. */
export async function cloneSnapshot(
  target: VolumeClient,
  source: VolumeClient,
  { snapshotName: name, grpcTimeoutSeconds, ...options }: CloneOptions,
): Promise<void> {
  const targets = await target.replicas();
  for (const { address, mode } of targets)
    if (mode !== "RW") throw new Error(`target replica ${address} is not in mode RW, got ${mode}`);
  const copies = (await source.replicas()).filter(({ mode }) => mode === "RW");
  if (copies.length === 0) throw new Error("cannot find a replica in mode RW to clone from");
  const timeoutMs = grpcTimeoutSeconds > 0 ? grpcTimeoutSeconds * 1_000 : LONG_CALL_TIMEOUT_MS;
  const clone = (from: ListedReplica, to: ListedReplica) =>
    target.withSyncAgent(to.address, (agent) =>
      agent.call(
        `failed to clone snapshot ${name} from replica ${from.address} to replica ${to.address}`,
        (calls, callOptions) =>
          calls.snapshotClone(
            {
              ...options,
              fromAddress: grpcAddress(from.address),
              toHost: hostOf(to.address),
              snapshotFileName: name,
              fromVolumeName: source.identity.volumeName,
            },
            callOptions,
          ),
        timeoutMs,
      ),
    );
  await Promise.all(targets.map((to) => withOneOf(copies, (from) => clone(from, to))));
}

/** @throws {Error} the reason of each */
async function withOneOf<T>(copies: readonly ListedReplica[], work: (copy: ListedReplica) => Promise<T>) {
  const failures: unknown[] = [];
  for (const copy of copies) {
    try {
      return await work(copy);
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length === 1) throw failures[0];
  throw new Error(failures.map(errorText).join("; "), { cause: failures });
}

export function cloneStatus(volume: VolumeClient, address: string) {
  return volume.withSyncAgent(address, (agent) =>
    agent.call(`failed to get snapshot clone status for replica ${agent.address}`, (calls, options) =>
      calls.snapshotCloneStatus({}, options),
    ),
  );
}

const NO_HASH = "cannot request hashing snapshot";

/** Queues the hashing of a snapshot on all replicas. */
export async function hashSnapshot(volume: VolumeClient, name: string, rehash: boolean): Promise<void> {
  const replicas = await volume.replicas();
  for (const { address, mode } of replicas) {
    if (mode !== "RW")
      throw new Error(`${NO_HASH} ${name}: replica ${address} is not in mode RW, got ${mode}`);
    if ((await volume.replica(address)).rebuilding)
      throw new Error(`${NO_HASH} ${name}: replica ${address} is rebuilding`);
    const { isLocked } = await volume.withSyncAgent(address, (agent) =>
      agent.call(`failed to get snapshot hash lock state for replica ${agent.address}`, (calls, options) =>
        calls.snapshotHashLockState({}, options),
      ),
    );
    if (isLocked) throw new Error(`${NO_HASH} ${name}: another hashing is in progress on replica ${address}`);
  }
  for (const { address } of replicas) {
    await volume.withSyncAgent(address, (agent) =>
      agent.call(`failed to hash snapshot ${name} for replica ${agent.address}`, (calls, options) =>
        calls.snapshotHash({ snapshotName: name, rehash }, options),
      ),
    );
  }
}

export function hashStatus(volume: VolumeClient, address: string, name: string) {
  return volume.withSyncAgent(address, (agent) =>
    agent.call(
      `failed to get hash status of snapshot ${name} for replica ${agent.address}`,
      (calls, options) => calls.snapshotHashStatus({ snapshotName: name }, options),
    ),
  );
}

export function cancelHash(volume: VolumeClient, address: string, name: string) {
  return volume.withSyncAgent(address, (agent) =>
    agent.call(`failed to cancel hashing snapshot ${name} for replica ${agent.address}`, (calls, options) =>
      calls.snapshotHashCancel({ snapshotName: name }, options),
    ),
  );
}

/** What `ask` says of each replica that is not ERR, by address; of one that cannot be asked, `failed` of the error. */
export async function statusOfReplicas<T>(
  volume: VolumeClient,
  modes: readonly ListedReplica["mode"][],
  ask: (address: string) => Promise<T>,
  failed: (error: Error, address: string) => T,
): Promise<Map<string, T>> {
  const replicas = (await volume.replicas()).filter(({ mode }) => modes.includes(mode));
  const rows = replicas.map(async ({ address }): Promise<[string, T]> => [
    address,
    await ask(address).catch((error: unknown) => failed(error as Error, address)),
  ]);
  return new Map(await Promise.all(rows));
}
