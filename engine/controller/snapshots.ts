/** Snapshots of a running volume: taken on all replicas at the same moment, and reverted to. */
import { randomUUID } from "node:crypto";
import { ReplicaMode } from "../../proto/longhorn.js";
import { withContext } from "../../proto/rpc-error.js";
import { using } from "../client/connections.js";
import { HEAD, snapshotFile } from "../client/snapshots.js";
import type { FrontendSwitch } from "./frontend-switch.js";
import type { ReplicaEntry } from "./replica-entry.js";
import type { Settings } from "./settings.js";
import { now } from "../timestamp.js";
import { inTwoParts } from "./snapshot-request.js";
import type { VolumeState } from "./volume-state.js";

export class Snapshots {
  constructor(
    private readonly state: VolumeState,
    private readonly settings: Settings,
    private readonly frontend: FrontendSwitch,
  ) {}

  /** @param name "" for a new UUID
   * @returns the name
   * @throws {Error} */
  async take(name: string, labels: Record<string, string>): Promise<string> {
    if (name === HEAD) throw new Error(`"${HEAD}" cannot be a snapshot's name: it stands for the head`);
    const { state } = this;
    const attached = state.running();
    await this.settings.checkRoom();
    const snapshot = name === "" ? randomUUID() : name;
    const request = { name: snapshot, userCreated: true, created: now(), labels };
    const failures = await attached.replicas.changeTogether({
      apply: (peer) =>
        state
          .entryAt(peer)
          .call(
            `failed to snapshot replica ${peer} from remote`,
            (calls, options) => calls.replicaSnapshot(request, options),
            state.options.replicaTimeoutMs,
          ),
      harmless: isSnapshotExisting,
      snapshot: inTwoParts(request, state.options.replicaTimeoutMs),
    });
    const reported = state.isInVain(failures) || [...failures.values()].some(isSnapshotExisting);
    if (failures.size > 0 && reported) throw state.failureOf(failures);
    state.log.info({ snapshot, failed: [...failures.keys()] }, "snapshot taken");
    return snapshot;
  }

  /** @throws {Error} */
  async revert(name: string): Promise<void> {
    const { state } = this;
    const readable = state.inMode(ReplicaMode.RW);
    if (readable.length === 0 || state.inMode(ReplicaMode.WO).length > 0)
      throw new Error("not valid state to revert, rebuilding in process or all replica are in ERR state");
    const file = snapshotFile(name);
    for (const { disks } of await state.heardFrom(readable)) {
      const disk = disks[file];
      if (disk === undefined)
        throw new Error(`cannot do revert since the target snapshot ${name} is not found`);
      if (disk.removed) throw new Error(`cannot revert to removed snapshot ${name}`);
    }
    if (this.frontend.isUp) throw new Error("volume frontend enabled, aborting snapshot revert");
    // It would refuse, and be dropped for it if another one did not.
    for (const entry of readable) await this.#refuseWhilePurging(entry);
    const failures = await state.running().replicas.changeTogether({
      reverts: true,
      apply: (peer, created) =>
        state
          .entryAt(peer)
          .call(
            `failed to revert replica ${peer} from remote`,
            (calls, options) => calls.replicaRevert({ name: file, created }, options),
            state.options.replicaTimeoutMs,
          ),
    });
    if (failures.size >= readable.length)
      throw withContext(`failed to revert to ${file} on all replicas`, state.failureOf(failures));
    state.log.info({ snapshot: name, failed: [...failures.keys()] }, "volume reverted");
  }

  async #refuseWhilePurging(entry: ReplicaEntry): Promise<void> {
    const { log, options } = this.state;
    if (entry.isFile) return;
    const asked = using(entry.syncAgent(), (agent) =>
      agent.call(
        `failed to get snapshot purge status for replica ${agent.address}`,
        (calls, callOptions) => calls.snapshotPurgeStatus({}, callOptions),
        options.replicaTimeoutMs,
      ),
    );
    const answer = await asked.catch((err: unknown) => {
      log.warn({ replica: entry.address, err }, "replica does not say whether it purges snapshots");
      return null;
    });
    if (answer?.isPurging === true)
      throw new Error(`cannot revert while replica ${entry.address} is purging snapshots: try again later`);
  }
}

function isSnapshotExisting(error: Error): boolean {
  return /snapshot .* is already existing/.test(error.message);
}
