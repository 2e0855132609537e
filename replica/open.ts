/** Opening one directory for service: locked, created if asked to, checked, its store open and the boot noted. */
import { join } from "node:path";
import type { Logger } from "pino";
import { openStore, type Layer, type NativeError, type ReplicaStore } from "../native/index.js";
import { backingFingerprint, NO_BACKING } from "./backing-fingerprint.js";
import { isSameBoot, readBootId } from "./boot-id.js";
import { createIfEmpty, ensureDirectory } from "./create.js";
import { isPageCacheLost, mayHaveLostWrites } from "./decide.js";
import { changeVolumeMeta, setDirty, type ReplicaDirectory } from "./directory.js";
import { isThere } from "./durable-file.js";
import { diskFiles, type Files } from "./files.js";
import { identify, REGION_MAP_NAME, ZERO_MAP_NAME, type Identity } from "./identity.js";
import { layersOf } from "./layers.js";
import { IO_THREADS, REGION_BYTES } from "./limits.js";
import { lockDirectory, type DirectoryLock } from "./lock.js";
import { isLossMarked, removeLossMark } from "./loss-mark.js";
import { RECORD_NAME, writeRecord, type ReplicaRecord } from "./member-record.js";
import { finishIntent } from "./ops/intent.js";
import { recover } from "./ops/recover.js";
import { MISSED_MAP_NAME, resumeTracking } from "./missed.js";
import { ReplicaError } from "./replica-error.js";
import { openRevision } from "./revision-counter.js";

export interface HostedReplicaOptions extends Identity {
  directory: string;
  /** bytes: creates the volume in an empty directory, has to match otherwise; null: never creates */
  size: number | null;
  cache: "writeback" | "none";
  /** absolute path; null: as stored in volume.meta */
  backingFile: string | null;
  /** null: the kernel's */
  bootIdFile: string | null;
  /** what Longhorn's clients may call this replica; absent: anything */
  instanceName?: string;
  /** hosts the directory without opening it: ReplicaOpen, and an engine's Identify, do that */
  startClosed?: boolean;
  /** keep Longhorn's revision counter, from 0 when there is none; absent: if the directory has one */
  revisionCounter?: boolean;
  /** initial values of what ReplicaService can change */
  snapshots?: Partial<SnapshotSettings>;
}

/** In memory only, as in Longhorn: whoever starts a replica tells it anew. */
export interface SnapshotSettings {
  /** snapshots of all branches that are not marked as removed */
  countMax: number;
  /** allocated bytes of the live chain's snapshots; 0: no limit. The engine looks at it before it asks for a snapshot */
  bytesMax: number;
  /** unmap marks snapshots behind the head as removed, to free what they hold */
  unmapMarksRemoved: boolean;
}

export interface OpenedReplica {
  lock: DirectoryLock;
  directory: ReplicaDirectory;
  /** what volume.meta said before */
  wasDirty: boolean;
  store: ReplicaStore;
  record: ReplicaRecord;
  bootId: string;
  /** Longhorn's counter at open, null without one */
  revision: number | null;
  /** `ReplicaFacts.backing` */
  backing: string;
}

/** @param onFatal the store's disk failed
 * @param lost acknowledged writes may be lost, which the directory does not say
 * @throws {ReplicaError | NativeError} and then nothing stays open */
export async function openReplica(
  options: HostedReplicaOptions,
  log: Logger,
  onFatal: (error: NativeError) => void,
  lost: boolean,
  files: Files = diskFiles,
): Promise<OpenedReplica> {
  const path = options.directory;
  if (options.size !== null) await ensureDirectory(path);
  const lock = lockDirectory(path);
  try {
    const bootId = await readBootId(path, options.bootIdFile ?? undefined);
    if (await finishIntent(path, files)) log.warn({}, "an interrupted operation was finished");
    const recorded = await identify(path, options);
    await checkRegionMap(path, recorded);
    if (await createIfEmpty(path, options)) log.info({ size: options.size }, "volume created");
    const { directory, removed } = await recover(path, files);
    if (removed.length > 0) log.warn({ files: removed }, "what an interrupted operation left was removed");
    if (directory.leftovers.length > 0)
      log.warn({ files: directory.leftovers }, "leftover files are ignored");
    for (const { error: err } of directory.damaged.values()) log.error({ err }, "a branch cannot be used");
    // Before the map, which would be one whose record is missing.
    if (!(await isThere(join(path, RECORD_NAME)))) await writeRecord(path, recorded, files);
    const layers = await layersOf(directory, directory.chain, options.backingFile);
    const revision = await openRevision(path, options.revisionCounter);
    const stored = {
      ...layers,
      size: directory.meta.size,
      regionMapPath: join(path, REGION_MAP_NAME),
      missedMapPath: join(path, MISSED_MAP_NAME),
      zeroMapPath: join(path, ZERO_MAP_NAME),
      pageCacheLost: isPageCacheLost(recorded.bootId, bootId),
    };
    const tuning = { cache: options.cache, regionSize: REGION_BYTES, ioThreads: IO_THREADS };
    const store = await openStore({ ...stored, ...tuning }, onFatal);
    try {
      const record = await noteBoot(
        path,
        recorded,
        { bootId, syncFailed: lost || (await isLossMarked(path)) },
        { store, files, log },
      );
      await resumeTracking(store, record, log);
      const wasDirty = directory.meta.dirty;
      return {
        lock,
        directory: await noteUse(directory, options.backingFile, files),
        wasDirty,
        store,
        record,
        bootId,
        revision,
        backing: await backingOf(layers, log),
      };
    } catch (error) {
      await store.close();
      throw error;
    }
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** In use, on the image that is given now: whoever opens it the next time, and names none, finds it there. */
function noteUse(
  directory: ReplicaDirectory,
  backingFile: string | null,
  files: Files,
): Promise<ReplicaDirectory> {
  if (backingFile === null || backingFile === directory.meta.backingFilePath)
    return setDirty(directory, true, files);
  return changeVolumeMeta(directory, { dirty: true, backingFilePath: backingFile }, files);
}

/** What cannot be read now may never be read: it does not keep the rest from being served. */
async function backingOf(
  { layers, backing }: { layers: Layer[]; backing: boolean },
  log: Logger,
): Promise<string> {
  const [image] = layers;
  if (!backing || image === undefined) return NO_BACKING;
  return backingFingerprint(image).catch((err: unknown) => {
    log.warn({ err, image: image.path }, "backing image cannot be told from others");
    return "";
  });
}

// An empty map in its place would say that nothing can differ from the other copies.
async function checkRegionMap(path: string, { member }: ReplicaRecord): Promise<void> {
  const map = join(path, REGION_MAP_NAME);
  if (member === null || (await isThere(map))) return;
  throw new ReplicaError("MISSING", `${map} is missing, but ${RECORD_NAME} says that the replica was used`);
}

// Before anything is served: a second restart must not hide what the first one lost.
async function noteBoot(
  path: string,
  record: ReplicaRecord,
  { bootId, syncFailed }: { bootId: string; syncFailed: boolean },
  { store, files, log }: { store: ReplicaStore; files: Files; log: Logger },
): Promise<ReplicaRecord> {
  const { dirtyRegions, damagedMapBlocks, interruptedBytes } = store.stats();
  if (damagedMapBlocks > 0)
    log.warn({ damagedMapBlocks }, "region map is damaged: its regions count as written");
  if (interruptedBytes > 0)
    log.warn({ interruptedBytes }, "writes that were not flushed were interrupted: what lies below them shows again"); // prettier-ignore
  const rebooted = mayHaveLostWrites(record.bootId, bootId, dirtyRegions);
  const lostNow = rebooted || syncFailed;
  if (syncFailed) log.warn({ dirtyRegions }, "acknowledged writes may be lost: a sync failed before");
  // What that sync dropped is still read by this boot, and would be found equal to other copies.
  if (syncFailed || (record.lostWrites && isSameBoot(record.bootId, bootId))) await store.rewrite();
  if (rebooted) log.warn({ from: record.bootId, to: bootId, dirtyRegions }, "acknowledged writes may be lost: the machine restarted, or the disk was gone"); // prettier-ignore
  if (!lostNow && record.bootId === bootId) return record;
  const noted = { ...record, bootId, lostWrites: record.lostWrites || lostNow };
  await writeRecord(path, noted, files);
  if (syncFailed) await removeLossMark(path);
  return noted;
}
