/** Longhorn's part of adding a replica to a running volume: its disks, and what has to be copied to it. The caller copies. */
import type { SyncFileInfo } from "../../proto/longhorn.js";
import { hostOf } from "../client/addresses.js";
import { using, type SyncAgentConnection } from "../client/connections.js";
import { LONG_CALL_TIMEOUT_MS } from "../client/limits.js";
import { snapshotFile } from "../client/snapshots.js";
import { besideHead, bytesOf, filesOf, snapshotsOf, unlike } from "../disks.js";
import { FILE_SYNC_TIMEOUT_S } from "./limits.js";
import type { ReplicaEntry } from "./replica-entry.js";

/** Removes what the target has too much, and forgets what was synced to it before.
 * @returns what is to be copied, as `filesOf` tells it */
export async function prepareRebuild(source: ReplicaEntry, target: ReplicaEntry): Promise<SyncFileInfo[]> {
  const wanted = snapshotsOf(await source.get());
  await using(target.syncAgent(), async (agent) => {
    const { isRebuilding } = await statusOf(agent);
    if (isRebuilding) throw new Error("replica is already rebuilding");
    await agent.call(`failed to reset sync agent ${agent.address}`, (calls, options) =>
      calls.reset({}, options),
    );
  });
  await setRevision(target, 0);
  for (const name of besideHead(await target.get()).keys()) {
    if (wanted.has(name)) continue;
    await target.call(`failed to remove disk ${name} of replica ${target.peer}`, (calls, options) =>
      calls.diskRemove({ name, force: true }, options),
    );
  }
  return filesOf(wanted);
}

/** @throws {Error} what was to be copied is not there */
export async function checkSynced(target: ReplicaEntry): Promise<void> {
  const { isRebuilding, state, error } = await using(target.syncAgent(), statusOf);
  if (isRebuilding) throw new Error("its files are still being synced");
  if (state !== "complete") throw new Error(`its files were not synced${error === "" ? "" : `: ${error}`}`);
}

/** Copies snapshots that the target took itself before it held everything.
 * @param sources copies
 * @param names bare
 * @returns bytes of their files
 * @throws {Error} */
export async function copySnapshots(
  sources: readonly ReplicaEntry[],
  target: ReplicaEntry,
  names: readonly string[],
): Promise<number> {
  const [first] = sources;
  if (first === undefined) throw new Error("no copy is there");
  const { disks } = await first.get();
  const wanted = names.map(snapshotFile).map((file) => {
    const disk = disks[file];
    if (disk === undefined) throw new Error(`${file} is missing at ${first.address}`);
    return [file, disk] as const;
  });
  const files = filesOf(new Map(wanted));
  await using(target.syncAgent(), (agent) =>
    agent.call(
      `failed to sync files from ${first.address}`,
      (calls, options) =>
        calls.filesSync(
          {
            fromAddress: first.peer,
            fromAddressMap: Object.fromEntries(sources.map(({ peer }) => [peer, true])),
            toHost: hostOf(target.address),
            syncFileInfoList: files,
            fastSync: false,
            fileSyncHttpClientTimeout: FILE_SYNC_TIMEOUT_S,
          },
          options,
        ),
      LONG_CALL_TIMEOUT_MS,
    ),
  );
  return bytesOf(files);
}

/** Loads the target's files, and checks that it has the disks that the source has. To be called while no snapshot is taken.
 * @throws {Error} what is missing */
export async function loadFiles(source: ReplicaEntry, target: ReplicaEntry): Promise<void> {
  // Whoever synced the files may not have told the replica.
  await target.call(`failed to reload replica ${target.peer}`, (calls, options) =>
    calls.replicaReload({}, options),
  );
  const problem = unlike(snapshotsOf(await source.get()), snapshotsOf(await target.get()));
  if (problem !== null) throw new Error(`the disks of ${target.address} are not those of ${source.address}: ${problem}`); // prettier-ignore
}

/** To be called while nothing is written: Longhorn takes the replica with the highest count for the newest. */
export async function copyRevision(source: ReplicaEntry, target: ReplicaEntry): Promise<void> {
  const { revisionCounter, revisionCounterDisabled } = await source.get();
  if (!revisionCounterDisabled) await setRevision(target, revisionCounter);
}

async function setRevision(target: ReplicaEntry, counter: number): Promise<void> {
  await target.call(`failed to set revision counter of replica ${target.peer}`, (calls, options) =>
    calls.revisionCounterSet({ counter }, options),
  );
}

function statusOf(agent: SyncAgentConnection) {
  return agent.call(`failed to get replica rebuild status of ${agent.address}`, (calls, options) =>
    calls.replicaRebuildStatus({}, options),
  );
}
