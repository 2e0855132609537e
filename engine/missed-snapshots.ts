/**
 * A replica that was away while snapshots were taken or removed gets those of a copy before it is resynced: file by file from
 * sync agent to sync agent, each only where it differs. I/O goes on, and so do snapshots; nothing is written to it meanwhile.
 *
 * What its head held is what the first snapshot that it missed begins with. So it takes the snapshots that it missed, one after
 * the other, their files put them right, and the head is empty. Before anything is changed the replica is durably nobody's copy: broken off, all of it
 * is looked at again.
 */
import { randomUUID } from "node:crypto";
import type { OpeningRequest } from "../proto/control.js";
import type { DiskInfo, Replica, SyncFileInfo } from "../proto/longhorn.js";
import { hostOf } from "./client/addresses.js";
import { connectReplica, connectSyncAgent, type ReplicaConnection, type SyncAgentConnection } from "./client/connections.js"; // prettier-ignore
import { LONG_CALL_TIMEOUT_MS } from "./client/limits.js";
import { snapshotFile, snapshotName } from "./client/snapshots.js";
import { SNAPSHOT_ROUNDS_MAX } from "./limits.js";
import { besideHead, bytesOf, filesOf, snapshotsOf, unlike, type Disks } from "./disks.js";
import { now } from "./timestamp.js";

const NO_DISKS: Disks = new Map();

interface End {
  /** `host:port` of the control port */
  address: string;
  replica: ReplicaConnection;
  agent: SyncAgentConnection;
}

export class MissedSnapshots {
  /** of the files that were copied */
  copiedBytes = 0;

  private constructor(
    private readonly source: End,
    private readonly target: End,
  ) {}

  /** Connects to a copy and to the replica that comes back, and changes nothing.
   * @param engine as the replica has recorded it when it is changed
   * @throws {Error} they have no sync agents, or these are busy */
  static async begin(
    volumeName: string,
    source: string,
    target: string,
    engine: () => OpeningRequest,
  ): Promise<MissedSnapshots> {
    const end = (address: string, named?: () => OpeningRequest): End => ({
      address,
      replica: connectReplica(address, { volumeName }, named),
      agent: connectSyncAgent(address, { volumeName }, named),
    });
    const snapshots = new MissedSnapshots(end(source), end(target, engine));
    try {
      await snapshots.#check();
      return snapshots;
    } catch (error) {
      snapshots.close();
      throw error;
    }
  }

  async #check(): Promise<void> {
    const { source, target } = this;
    const { isPurging } = await source.agent.call(
      `its snapshots differ, and the sync agent of ${source.address} cannot be asked for them`,
      (calls, options) => calls.snapshotPurgeStatus({}, options),
    );
    if (isPurging) throw new Error(`snapshots of ${source.address} are being purged`);
    const { isRebuilding } = await target.agent.call(
      "its snapshots differ, and its sync agent cannot be told to get them",
      // It may still have to be told whose it is.
      (calls, options) => calls.replicaRebuildStatus({}, { ...options, engine: null }),
    );
    if (isRebuilding) throw new Error("its snapshots are being copied");
  }

  /** Makes its snapshots those of the copy.
   * @param proven it was a copy when it was left out, and has lost nothing: what both had then is the same
   * @param wanted asked after what takes long: whether it is still to be done
   * @returns whether the last snapshot was taken while it was away: what is above that is what changed since, and no more
   * @throws {Error} */
  async bring(proven: boolean, wanted: () => boolean): Promise<boolean> {
    const { source, target } = this;
    let copy = await replicaOf(source);
    const before = await replicaOf(target);
    const here = snapshotsOf(before);
    await this.#markUnfinished(before);
    // Whatever the head holds is in a snapshot from here on.
    if (missedOf(copy, here).length === 0) await this.#snapshot(snapshotFile(randomUUID()));
    let same = proven ? here : NO_DISKS;
    for (let round = 0; round < SNAPSHOT_ROUNDS_MAX; round++) {
      // The snapshot of an expansion is not one like others: whoever takes it has grown.
      if (copy.size !== before.size) throw new Error("the volume has been expanded meanwhile");
      const there = snapshotsOf(copy);
      for (const file of missedOf(copy, snapshotsOf(await replicaOf(target)))) await this.#snapshot(file);
      await this.#removeOthers(there);
      await this.#copyFiles(filesOf(there).filter(({ toFileName }) => !isSame(toFileName, there, same)));
      if (!wanted()) throw new Error("it is not waited for any more");
      await this.#load(copy.parent);
      copy = await replicaOf(source);
      if (isEqual(copy, await replicaOf(target))) return copy.parent !== "" && !here.has(copy.parent);
      // The next round has what was taken or removed meanwhile.
      same = there;
    }
    throw new Error(`the snapshots of ${source.address} change faster than they can be copied`);
  }

  /** Takes the files as they are now, with the head, which is empty, on top of them.
   * @param newest file of the snapshot that is to be its parent; "" for none */
  async #load(newest: string): Promise<void> {
    const { target } = this;
    await target.replica.call(`failed to reload replica ${target.address}`, (calls, options) =>
      calls.replicaReload({}, options),
    );
    if ((await replicaOf(target)).parent === newest) return;
    await target.replica.call(`failed to revert replica ${target.address}`, (calls, options) =>
      calls.replicaRevert({ name: newest, created: now() }, options),
    );
  }

  async #markUnfinished({ rebuilding }: Replica): Promise<void> {
    if (!rebuilding) await this.#setRebuilding(true);
  }

  /** To be called when it has become a copy. */
  async end(): Promise<void> {
    await this.#setRebuilding(false);
  }

  async #setRebuilding(rebuilding: boolean): Promise<void> {
    const { target } = this;
    await target.replica.call(
      `failed to set rebuilding to ${rebuilding} for replica ${target.address}`,
      (calls, options) => calls.rebuildingSet({ rebuilding }, options),
    );
  }

  /** @param file that the head becomes */
  async #snapshot(file: string): Promise<void> {
    const { target } = this;
    const request = { name: snapshotName(file), userCreated: false, created: now(), labels: {} };
    await target.replica.call(`failed to snapshot replica ${target.address}`, (calls, options) =>
      calls.replicaSnapshot(request, options),
    );
  }

  async #removeOthers(there: Disks): Promise<void> {
    const { target } = this;
    for (const name of besideHead(await replicaOf(target)).keys()) {
      if (there.has(name)) continue;
      await target.replica.call(
        `failed to remove disk ${name} of replica ${target.address}`,
        (calls, options) => calls.diskRemove({ name, force: true }, options),
      );
    }
  }

  async #copyFiles(syncFileInfoList: SyncFileInfo[]): Promise<void> {
    const { source, target } = this;
    await target.agent.call(`failed to reset sync agent ${target.agent.address}`, (calls, options) =>
      calls.reset({}, options),
    );
    const request = {
      ...{ fromAddress: source.address, toHost: hostOf(target.address), syncFileInfoList },
      ...{ fastSync: true, fileSyncHttpClientTimeout: 0, grpcTimeoutSeconds: 0, localSync: null },
    };
    await target.agent.call(
      `failed to sync files from ${source.address}`,
      (calls, options) => calls.filesSync(request, options),
      LONG_CALL_TIMEOUT_MS,
    );
    this.copiedBytes += bytesOf(syncFileInfoList);
  }

  /** Idempotent. */
  close(): void {
    for (const { replica, agent } of [this.source, this.target]) {
      replica.close();
      agent.close();
    }
  }
}

async function replicaOf({ address, replica }: End): Promise<Replica> {
  const reply = await replica.call(`failed to get replica ${address}`, (calls, options) =>
    calls.replicaGet({}, options),
  );
  if (reply.replica === null) throw new Error(`replica ${address} says nothing about itself`);
  return reply.replica;
}

function isEqual(copy: Replica, other: Replica): boolean {
  return copy.parent === other.parent && unlike(snapshotsOf(copy), snapshotsOf(other)) === null;
}

/** Snapshots below a copy's head that are not `here`, oldest first. */
function missedOf(copy: Replica, here: Disks): string[] {
  const missed: string[] = [];
  const disks = snapshotsOf(copy);
  for (let name = copy.parent; disks.has(name); name = disks.get(name)?.parent ?? "")
    if (!here.has(name)) missed.unshift(name);
  return missed;
}

/** Whether a file has not been changed since it was the same on both sides. Of a disk into which another one was merged, or in
 * which something was freed, the parent or the size has changed. Metas always may have: a snapshot is marked as removed. */
function isSame(file: string, there: Disks, same: Disks): boolean {
  const [a, b] = [there.get(file), same.get(file)];
  const told = ({ parent, created, size }: DiskInfo) => [parent, created, size].join("\n");
  return a !== undefined && b !== undefined && told(a) === told(b);
}
