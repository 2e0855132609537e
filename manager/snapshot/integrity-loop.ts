/**
 * Compares the copies of snapshots: at set times, or when one was taken. One at a time on each node. A copy that is not what the others
 * are is given up, and made anew from them: after all files have been read again, and only where two sound copies are left. A resync would
 * leave it as it is.
 */
import type { Logger } from "pino";
import { setTimeout as sleep } from "node:timers/promises";
import { errorText } from "../../proto/rpc-error.js";
import { formatTime } from "../../engine/timestamp.js";
import { Loop } from "../control/loop.js";
import { isDue, nextLook } from "../control/schedule.js";
import { tellAs, type Events, type Tell } from "../events/events.js";
import { isDeleted, type Resource } from "../objects/resource.js";
import type { EngineOperations } from "../operations.js";
import type { SettingValues } from "../settings/settings.js";
import { loadSettings } from "../settings/stored.js";
import { modify, type Store } from "../store/store.js";
import { isCloning } from "../volume/cloning.js";
import { ownLabels } from "../volume/objects.js";
import { parseTime } from "../volume/time.js";
import { HASH_BUSY_TRIES_MAX, HASH_POLL_MS, HASH_WAIT_MS } from "./limits.js";
import { snapshotName } from "./name.js";
import { judge, type Verdict } from "./verdict.js";

type Engine = Resource<"Engine">;
type Volume = Resource<"Volume">;
type Snapshot = Resource<"Snapshot">;

const CRON = "snapshot-data-integrity-cronjob";
const AT_ONCE = "snapshot-data-integrity-immediate-check-after-snapshot-creation";

export class IntegrityLoop {
  readonly #loop: Loop;
  readonly #stopping = new AbortController();
  readonly #tell: Tell;
  /** by node: snapshots that were taken just now */
  readonly #fresh = new Map<string, Set<string>>();

  /** @param now ms since 1970
   * @param pollMs between two looks at how far hashing is */
  constructor(
    private readonly store: Store,
    private readonly engines: EngineOperations,
    events: Events,
    private readonly log: Logger,
    private readonly now: () => number = Date.now,
    private readonly pollMs: number = HASH_POLL_MS,
  ) {
    this.#tell = tellAs(events, "longhorn-engine-controller");
    this.#loop = new Loop("integrity", store, (node) => this.#look(node), log);
    const seen = new Set<string>();
    this.#loop
      .follow("Node", ({ metadata: { name } }) => {
        if (seen.has(name)) return [];
        seen.add(name);
        return [name];
      })
      .follow("Snapshot", (snapshot) => this.#concerned(snapshot));
  }

  /** Looks at the clock now. */
  look(node: string): void {
    this.#loop.add(node);
  }

  /** What is being hashed is left as it is. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error("the manager ends"));
    await this.#loop.stop();
  }

  async #concerned(snapshot: Snapshot): Promise<string[]> {
    if (!isToCheck(snapshot) || snapshot.status.checksum !== "") return [];
    if (!(await loadSettings(this.store)).flag(AT_ONCE)) return [];
    const [engine] = await this.store.list("Engine", ownLabels(snapshot.spec.volume));
    if (engine?.status.currentState !== "running") return [];
    const { nodeID } = engine.spec;
    this.#fresh.set(nodeID, (this.#fresh.get(nodeID) ?? new Set()).add(snapshot.metadata.name));
    return [nodeID];
  }

  async #look(name: string): Promise<number | null> {
    const node = await this.store.get("Node", name);
    if (node === null) return null;
    const now = this.now();
    const settings = await loadSettings(this.store);
    const cron = settings.text(CRON);
    const last = node.status.snapshotCheckStatus.lastPeriodicCheckedAt;
    const due = last !== "" && isDue(cron, parseTime(last), now);
    // A clock that was set back would keep it from being due for long.
    if (last === "" || due || parseTime(last) > now) await this.#note(name, now);
    const fresh = this.#fresh.get(name) ?? new Set();
    this.#fresh.delete(name);
    if (due || fresh.size > 0) await this.#checkAll(name, settings, due ? null : fresh);
    return Date.now() + nextLook(cron, now) - now;
  }

  async #note(node: string, now: number): Promise<void> {
    await modify(this.store, "Node", node, "status", ({ status }) => {
      status.snapshotCheckStatus.lastPeriodicCheckedAt = formatTime(now);
    });
  }

  /** @param only null: all */
  async #checkAll(node: string, settings: SettingValues, only: ReadonlySet<string> | null): Promise<void> {
    const there = (await this.store.list("Engine")).filter(({ spec }) => spec.nodeID === node);
    for (const { spec } of there) {
      const snapshots = (await this.store.list("Snapshot", ownLabels(spec.volumeName))).filter(isToCheck);
      for (const { metadata } of snapshots) {
        if (this.#stopping.signal.aborted) return;
        if (only === null || only.has(metadata.name)) await this.#check(spec.volumeName, metadata.name, settings); // prettier-ignore
      }
    }
  }

  async #check(volumeName: string, object: string, settings: SettingValues): Promise<void> {
    // Things may have changed while others were hashed.
    const volume = await this.store.get("Volume", volumeName);
    const [engine] = await this.store.list("Engine", ownLabels(volumeName));
    const snapshot = await this.store.get("Snapshot", object);
    if (volume === null || engine === undefined || snapshot === null || !isToCheck(snapshot)) return;
    const name = snapshotName(snapshot);
    const mode = modeOf(volume, settings);
    if (mode === "disabled" || !canCompare(volume, engine)) return;
    try {
      const { checksum } = snapshot.status;
      let verdict = judge(await this.#hash(engine, name, mode === "enabled"), checksum);
      // What is taken from a note beside the file is not what the file holds: before a copy is given up all are read.
      const isBad = verdict.is === "undecided" || (verdict.is === "known" && verdict.corrupt.length > 0);
      if (isBad && mode !== "enabled") verdict = judge(await this.#hash(engine, name, true), checksum);
      await this.#conclude(engine, snapshot, verdict);
    } catch (error) {
      if (this.#stopping.signal.aborted) return;
      this.log.warn({ err: error, volume: volumeName, snapshot: name }, "copies not compared");
      this.#failed(engine, name, errorText(error));
    }
  }

  async #conclude(engine: Engine, object: Snapshot, verdict: Verdict): Promise<void> {
    const name = snapshotName(object);
    if (verdict.is === "unknown")
      this.log.info(
        { engine: engine.metadata.name, snapshot: name, why: verdict.why },
        "copies not compared",
      );
    if (verdict.is === "undecided") this.#failed(engine, name, verdict.why);
    if (verdict.is !== "known") return;
    await modify(this.store, "Snapshot", object.metadata.name, "status", (snapshot) => {
      if (snapshot.metadata.uid === object.metadata.uid) snapshot.status.checksum = verdict.checksum;
    });
    const [address] = verdict.corrupt;
    if (address !== undefined) await this.#giveUp(engine, name, address, verdict.sound.length > 1);
  }

  async #giveUp(engine: Engine, snapshot: string, address: string, mayGo: boolean): Promise<void> {
    const { replicaAddressMap } = engine.spec;
    const name = Object.keys(replicaAddressMap).find((one) => replicaAddressMap[one] === address) ?? "";
    const replica = await this.store.get("Replica", name);
    const next = mayGo
      ? "it is made anew"
      : "only one copy is sound, so nothing is done: with another replica, or when this one is removed, it is made anew";
    const message = `snapshot ${snapshot}: the copy of ${name} is not what the others are; ${next}`;
    this.#tell(engine, { type: "Warning", reason: "Faulted", message });
    if (mayGo && replica !== null) await this.store.delete("Replica", name, replica.metadata.uid);
  }

  #failed(engine: Engine, snapshot: string, why: string): void {
    this.#tell(engine, { type: "Warning", reason: "FailedSnapshotDataIntegrityCheck", message: `snapshot ${snapshot}: ${why}` }); // prettier-ignore
  }

  async #hash(engine: Engine, name: string, rehash: boolean) {
    const { signal } = this.#stopping;
    for (let tries = 1; ; tries++) {
      try {
        await this.engines.hashSnapshot(engine, name, rehash);
        break;
      } catch (error) {
        // Nodes hash one file at a time, and another volume's may be under way.
        if (tries >= HASH_BUSY_TRIES_MAX) throw error;
        await sleep(this.pollMs, undefined, { signal });
      }
    }
    const until = Date.now() + HASH_WAIT_MS;
    for (;;) {
      const hashes = await this.engines.snapshotHashes(engine, name);
      const isBusy = Object.values(hashes).some(({ state }) => state === "in_progress");
      if (!isBusy) return hashes;
      if (Date.now() > until) throw new Error("it takes too long");
      await sleep(this.pollMs, undefined, { signal });
    }
  }
}

function isToCheck(snapshot: Snapshot): boolean {
  const { readyToUse, userCreated, markRemoved } = snapshot.status;
  return readyToUse && userCreated && !markRemoved && !isDeleted(snapshot);
}

function modeOf({ spec }: Volume, settings: SettingValues): string {
  const own = spec.snapshotDataIntegrity;
  return own === "" || own === "ignored" ? settings.text("snapshot-data-integrity") : own;
}

/** All copies are whole, there are at least two, and nothing changes them. */
function canCompare(volume: Volume, { status }: Engine): boolean {
  const modes = Object.values(status.replicaModeMap);
  const isPurging = Object.values(status.purgeStatus).some((one) => one.isPurging);
  const isServing = volume.status.state === "attached" && status.currentState === "running";
  return isServing && !isPurging && !isCloning(volume) && modes.length >= 2 && modes.every((mode) => mode === "RW"); // prettier-ignore
}
