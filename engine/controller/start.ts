/** How a volume begins: closed replicas are opened, those that fit are taken over, and the frontend comes up. */
import { setTimeout as sleep } from "node:timers/promises";
import { status } from "@grpc/grpc-js";
import type { MemberRecord } from "../../proto/control.js";
import { ReplicaMode, type Replica } from "../../proto/longhorn.js";
import { isUnavailable, RpcError } from "../../proto/rpc-error.js";
import { AttachedVolume } from "../attached-volume.js";
import { withDeadline } from "../deadline.js";
import { readBootId } from "../boot-id.js";
import type { Health } from "../health.js";
import { checkAlike } from "../plain-file/plain-file.js";
import { listens } from "../listens.js";
import { MEMBERS_POLL_MS, MEMBERS_WAIT_MS, RECONNECT_GRACE_MS } from "../limits.js";
import { ReplicaLink } from "../replica-link.js";
import type { SnapshotCopier } from "../snapshot-followers.js";
import { checkAfter, MembershipError, type Predecessors } from "../takeover.js";
import type { FrontendSwitch } from "./frontend-switch.js";
import { staleByLonghorn } from "../longhorn/longhorn-members.js";
import {
  ALONE_TIME_TOLERANCE_NS,
  CONNECT_WAIT_MS,
  FAILED_CLOSE_WAIT_MS,
  SALVAGE_TIME_TOLERANCE_NS,
  SALVAGE_WAIT_MS,
} from "./limits.js";
import { NoBackendError } from "./no-backend.js";
import { ReplicaEntry, type Opened } from "./replica-entry.js";
import { bestForSalvage } from "./salvage.js";
import type { Settings } from "./settings.js";
import { volumeSizeAtStart } from "./start-size.js";
import { currentCopies, finishExpansion, isUnused } from "./unfinished-expansion.js";
import type { VolumeState } from "./volume-state.js";

/** What a volume is started from that another engine served, or this one. */
export interface Succession {
  unitState: Buffer | null;
  /** null: whoever was in charge */
  after: Predecessors | null;
  /** the engine before has crashed: its replicas are open, and its initiators still there */
  crashed: boolean;
}

export interface StartOptions {
  engineId: string;
  signal: AbortSignal;
  copier: SnapshotCopier;
  onHealth: (health: Health) => void;
  onUnmapsWaiting: () => void;
}

export class Start {
  /** `host:port` of those that cannot be used, but have a say in who is current, and are left out durably; why */
  #unfit = new Map<string, string>();
  /** those that do not answer: whoever is not needed is left out, and taken back when it is there again */
  #absent: ReplicaEntry[] = [];

  constructor(
    private readonly state: VolumeState,
    private readonly settings: Settings,
    private readonly frontend: FrontendSwitch,
    private readonly options: StartOptions,
  ) {}

  /** @param size nominal, bytes
   * @param currentSize bytes; 0 when it is not known
   * @throws {NoBackendError | MembershipError | Error} and then there are no replicas */
  async begin(
    addresses: readonly string[],
    size: number,
    currentSize: number,
    succession: Succession | null,
    withFrontend = true,
  ): Promise<void> {
    const { state } = this;
    state.checkCount(addresses.length);
    const entries = addresses.map((address) => new ReplicaEntry(address, state.owner));
    try {
      await this.#startWith(entries, size, currentSize, succession);
      state.entries = entries;
      if (withFrontend) await this.frontend.startIfAny(succession);
    } catch (error) {
      await state.detach();
      for (const entry of entries) await this.#close(entry);
      for (const entry of entries) entry.disconnect();
      state.entries = [];
      throw error;
    }
  }

  /** With a plain file that was added where there was no volume, and without its frontend, as in Longhorn.
   * @throws {Error} and then it is as it was */
  async beginWithFile(entry: ReplicaEntry): Promise<void> {
    const { state } = this;
    const size = Number((await entry.get()).size);
    try {
      await this.begin([entry.address], size, size, null, false);
    } catch (error) {
      state.entries = [entry];
      throw error;
    }
    entry.disconnect();
  }

  async #startWith(
    entries: ReplicaEntry[],
    size: number,
    currentSize: number,
    succession: Succession | null,
  ): Promise<void> {
    const { state } = this;
    this.#unfit = new Map();
    const resumes = succession?.crashed ?? false;
    const found = await this.#open(entries, resumes);
    checkAlike(found.map(({ entry }) => entry.address));
    if (resumes && succession?.after != null) await checkLast(found, succession.after, this.options.engineId);
    // An engine that is started again is told the size of when it was started first: it may have grown the volume since.
    const nominal = resumes ? Math.max(size, ...(await currentSizes(found))) : size;
    let opened = await finishExpansion(found, nominal);
    state.size = volumeSizeAtStart(nominal, currentSize, await currentSizes(opened));
    const { disableRevisionCounter, upgrade } = state.options;
    for (const { entry, replica } of opened) {
      if (sizeOf(replica) !== state.size)
        await this.#leaveOut(entry, `size ${replica.size} is not the volume's, ${state.size}`);
      else if (!upgrade && !entry.isFile && replica.revisionCounterDisabled !== disableRevisionCounter)
        await this.#leaveOut(entry, `revision counter disabled: ${replica.revisionCounterDisabled}, the engine's: ${disableRevisionCounter}`); // prettier-ignore
    }
    opened = opened.filter(({ entry }) => entry.unusable === null);
    opened = await this.#leaveOutUnlikeBacked(opened);
    opened = await this.#leaveOutStale(entries, opened);
    await this.settings.pushUnmapMark(
      opened.map(({ entry }) => entry),
      (entry, cause) => this.#giveUp(entry, cause),
    );
    opened = opened.filter(({ entry }) => entry.unusable === null);
    if (opened.length === 0)
      throw new NoBackendError(
        false,
        entries.map(({ address }) => address),
      );
    // Nobody is given up after this.
    await this.#refuseGuess(entries, opened);
    for (const { isDamaged, peer, unusable } of entries) if (isDamaged) this.#unfit.set(peer, unusable ?? "");
    const isForeign = opened.some(({ entry }) => entry.longhorn !== null);
    this.#absent = isForeign ? [] : entries.filter(({ isAbsent }) => isAbsent);
    await this.#attach(opened, succession?.after ?? null);
    for (const entry of entries.filter(({ unusable }) => unusable !== null)) await this.#close(entry);
    for (const entry of this.#absent) entry.unusable = null;
  }

  /** What nobody ever used says nothing of what the others hold, as one whose directory was replaced: it does not stand for the volume
   * where one that cannot be used was used before, or cannot be asked, nor where the volume has data.
   * @throws {MembershipError} */
  async #refuseGuess(entries: ReplicaEntry[], opened: Opened[]): Promise<void> {
    const { salvageRequested, hasData } = this.state.options;
    const unusable = entries.filter((entry) => entry.unusable !== null);
    if (!hasData && (unusable.length === 0 || salvageRequested)) return;
    if (opened.some(({ entry }) => entry.longhorn !== null)) return;
    for (const one of opened) if (!(await isUnused(one))) return;
    // There is nothing to be salvaged, either.
    if (hasData)
      throw new MembershipError(
        `the volume has data, and ${opened.map(({ entry }) => entry.address).join(", ")} nothing that was ever used: a directory may be gone, or another one in its place`,
      );
    const mayBeUsed = await Promise.all(unusable.map((entry) => entry.mayHaveRecord()));
    const missing = unusable.filter((_, index) => mayBeUsed[index]);
    if (missing.length === 0) return;
    const causes = missing.map(({ address, unusable }) => `${address}: ${unusable}`).join("; ");
    throw new MembershipError(`what could be opened was never used, and others may have been: ${causes}`); // prettier-ignore
  }

  /** What was never written reads from the backing file: with it and without it, copies are of different volumes. Where it is says
   * nothing, each node has it elsewhere; a plain file holds what is in it.
   * @throws {Error} which ones are the volume's cannot be told */
  async #leaveOutUnlikeBacked(opened: Opened[]): Promise<Opened[]> {
    const chains = opened.filter(({ entry }) => !entry.isFile);
    const current = await currentCopies(chains, isBacked);
    const backed = current.find(({ replica }) => isBacked(replica));
    const bare = current.find(({ replica }) => !isBacked(replica));
    if (backed !== undefined && bare !== undefined)
      throw new Error(
        `replica ${backed.entry.address} has the backing file ${backed.replica.backingFile}, and replica ${bare.entry.address} has none: they are not copies of one volume`,
      );
    for (const { entry, replica } of chains) {
      if (isBacked(replica) === (backed !== undefined)) continue;
      const [it, others] = isBacked(replica)
        ? [`the backing file ${replica.backingFile}`, "none"]
        : ["no backing file", `${backed?.replica.backingFile}`];
      await this.#leaveOut(entry, `it has ${it}, the volume's copies have ${others}`);
    }
    return opened.filter(({ entry }) => entry.unusable === null);
  }

  /** Where Longhorn's replicas are in the set: by its rules, when there are no others.
   * @throws {Error} what is given cannot be told to be one volume */
  async #leaveOutStale(entries: ReplicaEntry[], opened: Opened[]): Promise<Opened[]> {
    const { upgrade, salvageRequested } = this.state.options;
    const foreign = opened.filter(({ entry }) => entry.longhorn);
    if (foreign.length === 0) return opened;
    if (upgrade) throw new Error("an engine on replicas of Longhorn's cannot be upgraded");
    const ours = opened.filter(({ entry }) => !entry.longhorn);
    if (ours.length > 0) {
      checkTogether(ours, foreign);
      return opened;
    }
    // One of ours would know who is current, and is not gone on without.
    const needed = entries.filter(({ longhorn }) => !longhorn).map(({ address }) => address);
    if (needed.length > 0)
      throw new Error(
        `replicas of Longhorn's are not started without ${needed.join(", ")}: leave out what is gone for good`,
      );
    const replicas = opened.map(({ replica }) => replica);
    const causes = salvageRequested
      ? replicas.map((_, index) => (index === bestForSalvage(replicas) ? null : "another one is salvaged"))
      : staleByLonghorn(replicas, SALVAGE_TIME_TOLERANCE_NS);
    for (const [index, { entry }] of opened.entries()) {
      const cause = causes[index] ?? null;
      if (cause !== null) await this.#giveUp(entry, cause);
    }
    return opened.filter(({ entry }) => entry.unusable === null);
  }

  /** Opens all that can be; the others are unusable from now on.
   * @param resumes an engine has crashed: its replicas are open, or being started again as well
   * @throws {NoBackendError} */
  async #open(entries: ReplicaEntry[], resumes: boolean): Promise<Opened[]> {
    const { log } = this.state;
    const opened: Opened[] = [];
    let unreachable = false;
    for (const entry of entries) {
      try {
        opened.push({ entry, replica: await this.#openOne(entry, entries.length === 1, resumes) });
      } catch (error) {
        await entry.noteFailure(error);
        unreachable ||= isUnavailable(error);
        log.warn({ replica: entry.address, reason: entry.unusable }, "replica cannot be used");
      }
    }
    if (opened.length > 0) return opened;
    throw new NoBackendError(
      unreachable,
      entries.map(({ address }) => address),
    );
  }

  async #openOne(entry: ReplicaEntry, alone: boolean, resumes: boolean): Promise<Replica> {
    const { log } = this.state;
    // A machine that is gone says nothing, and a call waits for it for long.
    const began = performance.now();
    if (!(await listens(entry.peer, CONNECT_WAIT_MS)) && performance.now() - began >= CONNECT_WAIT_MS)
      throw new RpcError(status.UNAVAILABLE, `replica ${entry.peer} does not answer`);
    if (!resumes) return entry.open(alone, log);
    const deadline = performance.now() + RECONNECT_GRACE_MS;
    for (;;) {
      try {
        return await entry.resume(log);
      } catch (error) {
        if (!isUnavailable(error) || performance.now() > deadline) throw error;
        await sleep(MEMBERS_POLL_MS);
      }
    }
  }

  async #giveUp(entry: ReplicaEntry, cause: string): Promise<void> {
    this.#bar(entry, cause);
    await this.#close(entry);
  }

  #bar(entry: ReplicaEntry, cause: string): void {
    this.state.log.warn({ replica: entry.address, cause }, "replica is left out");
    entry.unusable = cause;
  }

  /** Not the one of an engine that crashed, or of the one that came after it. */
  async #close(entry: ReplicaEntry): Promise<void> {
    const { log } = this.state;
    if (!entry.isOpen) return;
    await entry.close().catch((err: unknown) => log.warn({ err }, "replica could not be closed"));
  }

  /** One that can be opened, and is no copy of this volume as it is. Before the others are gone on with it has to answer if it was one:
   * that takes an open one. */
  async #leaveOut(entry: ReplicaEntry, cause: string): Promise<void> {
    if (entry.longhorn !== null || !(await entry.mayHaveRecord())) return this.#giveUp(entry, cause);
    this.#bar(entry, cause);
    this.#unfit.set(entry.peer, cause);
  }

  async #attach(opened: Opened[], after: Predecessors | null): Promise<void> {
    const { state } = this;
    const entries = opened.map(({ entry }) => entry);
    if (!state.options.salvageRequested || after !== null) {
      state.attached = await this.#takeOver(entries, null, MEMBERS_WAIT_MS, after);
      return;
    }
    try {
      // Who can be proved to be current need not be salvaged.
      state.attached = await this.#takeOver(entries, null, SALVAGE_WAIT_MS);
    } catch (error) {
      const best = entries[bestForSalvage(opened.map(({ replica }) => replica))];
      if (!(error instanceof MembershipError) || best === undefined) throw error;
      state.log.warn({ err: error, replica: best.address }, "salvaging from one replica, as requested");
      state.attached = await this.#takeOver(entries, await replicaIdOf(best.peer), SALVAGE_WAIT_MS);
    }
  }

  async #takeOver(
    entries: readonly ReplicaEntry[],
    salvage: string | null,
    waitMs: number,
    after: Predecessors | null = null,
  ): Promise<AttachedVolume> {
    const { options, size, log } = this.state;
    const ours = entries.filter(({ longhorn }) => !longhorn).map(({ peer }) => peer);
    const attached = await AttachedVolume.attach({
      volume: options.volume,
      size,
      replicas: [...ours, ...this.#unfit.keys(), ...this.#absent.map(({ peer }) => peer)],
      unfit: this.#unfit,
      witness: this.state.witness,
      longhorn: entries.flatMap((entry) => entry.longhornLink() ?? []),
      engineId: this.options.engineId,
      engineBootId: readBootId(options.bootIdFile),
      replicaTimeoutMs: options.replicaTimeoutMs,
      waitMs,
      salvage,
      // Whoever asks for a salvage has been told what it may cost.
      acceptLostWrites: options.salvageRequested,
      after,
      copier: this.options.copier,
      onHealth: this.options.onHealth,
      onUnmapsWaiting: this.options.onUnmapsWaiting,
      onWait: (evidence) => log.warn({ evidence }, "waiting for replicas"),
      signal: this.options.signal,
      log,
    });
    // As others that cannot be used: somebody has to add it again.
    for (const peer of this.#unfit.keys()) await attached.replicas.remove(peer);
    return attached;
  }

  /** Frontend down, replicas closed; the volume can be started again. */
  async shutdown(): Promise<void> {
    const { state } = this;
    await this.frontend.stop();
    const { entries } = state;
    const failed = state.inMode(ReplicaMode.ERR);
    const clean = await state.detach();
    state.log.info({ clean }, "volume shut down");
    state.entries = [];
    const results = await Promise.allSettled(
      entries.filter((entry) => !failed.includes(entry)).map((entry) => entry.close()),
    );
    // What failed before, and may be gone, does not make this end a bad one.
    const closing = failed.filter(({ unusable }) => unusable === null);
    await withDeadline(
      Promise.all(closing.map((entry) => entry.closeInBackground(state.log))),
      FAILED_CLOSE_WAIT_MS,
    ).catch(() => undefined);
    for (const entry of entries) entry.disconnect();
    const refused = results.find((result) => result.status === "rejected");
    if (refused !== undefined) throw refused.reason as Error;
  }
}

function sizeOf({ size }: Replica): number {
  return Number(size);
}

async function currentSizes(opened: Opened[]): Promise<number[]> {
  return (await currentCopies(opened, sizeOf)).map(({ replica }) => sizeOf(replica));
}

function isBacked({ backingFile }: Replica): boolean {
  return backingFile !== "";
}

/** Without counters, or after an unclean end, those of Longhorn's are made equal to ours.
 * @throws {Error} somebody went on with one of them alone */
function checkTogether(ours: Opened[], foreign: Opened[]): void {
  const changed = Math.max(...ours.map(({ replica }) => replica.lastModifyTime));
  for (const { entry, replica } of foreign) {
    if (entry.longhorn && replica.revisionCounterDisabled) entry.longhorn.clean = false;
    if (entry.longhorn?.clean === false && replica.lastModifyTime - changed > ALONE_TIME_TOLERANCE_NS)
      throw new Error(
        `replica ${entry.address} was written ${Math.round((replica.lastModifyTime - changed) / 1e9)} s after the others: ` +
          "start the volume with those alone that hold what you want",
      );
  }
}

/** Before anything is changed at replicas that may be another engine's by now.
 * @param engineId this engine's
 * @throws {OtherEngineError} the newest record is another one's */
async function checkLast(opened: readonly Opened[], after: Predecessors, engineId: string): Promise<void> {
  const records = await Promise.all(
    opened
      .filter(({ entry }) => entry.longhorn === null)
      .map(async ({ entry }) => {
        const link = new ReplicaLink(entry.peer);
        try {
          return await link.recorded();
        } finally {
          link.close();
        }
      }),
  );
  const newest = records.reduce<MemberRecord | null>(
    (best, record) => (record !== null && record.generation > (best?.generation ?? 0) ? record : best),
    null,
  );
  if (newest !== null) checkAfter(newest, after, engineId);
}

async function replicaIdOf(peer: string): Promise<string> {
  const link = new ReplicaLink(peer);
  try {
    return (await link.identify()).replicaId;
  } finally {
    link.close();
  }
}
