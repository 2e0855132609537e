/** What a job does with one volume. */
import { randomUUID } from "node:crypto";
import { orAborted, waitFor } from "../control/wait.js";
import { FINALIZER, type Resource } from "../objects/resource.js";
import type { EngineOperations, NodeOperations } from "../operations.js";
import type { SettingValues } from "../settings/settings.js";
import { loadSettings } from "../settings/stored.js";
import { hasPurgeable } from "../snapshot/decide.js";
import type { Store } from "../store/store.js";
import { ownLabels } from "../volume/objects.js";
import { setWorkTickets, workNode } from "../volume/work-tickets.js";
import { ATTACH_WAIT_MS, PURGE_WAIT_MS, SNAPSHOT_WAIT_MS } from "./limits.js";
import { isFrom, isOfJob, isPending, snapshotLabels, surplusSnapshots } from "./selection.js";

type Volume = Resource<"Volume">;
type Snapshot = Resource<"Snapshot">;
type Job = Resource<"RecurringJob">;

export interface TaskContext {
  store: Store;
  engines: EngineOperations;
  nodes: NodeOperations;
  /** what could not be deleted */
  onKept: (message: string) => void;
  /** ends all waiting */
  signal: AbortSignal;
  /** ms since 1970, when the job was begun: what was done since is not done again */
  since: number;
}

/** @throws {Error} it was not done, or not to the end */
export async function runTask(context: TaskContext, job: Job, volume: Volume): Promise<void> {
  const settings = await loadSettings(context.store);
  const { task } = job.spec;
  switch (task) {
    case "snapshot":
      await removeSurplus(context, job, volume, settings, true);
      await takeSnapshot(context, job, volume);
      await removeSurplus(context, job, volume, settings, false);
      break;
    case "snapshot-force-create":
      await takeSnapshot(context, job, volume);
      await removeSurplus(context, job, volume, settings, false);
      break;
    case "snapshot-delete":
      await removeSurplus(context, job, volume, settings, false);
      break;
    case "snapshot-cleanup":
      if (settings.flag("disable-snapshot-purge"))
        throw new Error("the setting disable-snapshot-purge is on");
      await whileAttached(context, job, volume, (engine) => purge(context, engine));
      break;
    case "filesystem-trim":
      await trim(context, volume, settings);
      break;
    default:
      throw new Error(`${task === "" ? "no task" : task}: not available yet: backups`);
  }
}

async function snapshotsOf({ store }: TaskContext, { metadata: { name } }: Volume): Promise<Snapshot[]> {
  return (await store.list("Snapshot", ownLabels(name))).filter(({ spec }) => spec.volume === name);
}

/** One that was asked for before, and is not there yet, will do. */
async function takeSnapshot(context: TaskContext, job: Job, volume: Volume): Promise<void> {
  const { store, since, signal } = context;
  const own = (await snapshotsOf(context, volume)).filter((one) => isOfJob(job, one));
  if (own.some((one) => !isPending(one) && isFrom(one, since))) return;
  const { name } = own.find(isPending)?.metadata ?? (await askForSnapshot(store, job, volume)).metadata;
  await waitFor(
    store,
    "Snapshot",
    name,
    (snapshot) => {
      if (snapshot === null) throw new Error(`snapshot ${name} was removed before it was there`);
      if (snapshot.status.error !== "") throw new Error(`snapshot ${name}: ${snapshot.status.error}`);
      return snapshot.status.readyToUse;
    },
    { ms: SNAPSHOT_WAIT_MS, signal },
  );
}

function askForSnapshot(store: Store, job: Job, { metadata }: Volume): Promise<Snapshot> {
  const { name: volume, uid } = metadata;
  return store.create({
    kind: "Snapshot",
    name: `${`${job.spec.name}-c`.slice(0, 8)}-${randomUUID()}`,
    finalizers: [FINALIZER],
    labels: ownLabels(volume),
    ownerReferences: [{ kind: "Volume", name: volume, uid }],
    spec: { createSnapshot: true, volume, labels: snapshotLabels(job) },
  });
}

/** @param isNeeded there is to be no other one while it cannot be done */
async function removeSurplus(
  context: TaskContext,
  job: Job,
  volume: Volume,
  settings: SettingValues,
  isNeeded: boolean,
): Promise<void> {
  const { store, onKept } = context;
  const all = await snapshotsOf(context, volume);
  const counted = job.spec.task === "snapshot-delete" ? all : all.filter((one) => isOfJob(job, one));
  const keep = Math.min(job.spec.retain, settings.number("recurring-job-max-retention"));
  const surplus = surplusSnapshots(counted, keep);
  if (surplus.length > 0 && settings.flag("disable-snapshot-purge")) {
    const message = `volume ${volume.metadata.name}: ${surplus.length} snapshots are too many, and the setting disable-snapshot-purge is on`;
    if (isNeeded) throw new Error(message);
    onKept(message);
    return;
  }
  for (const { metadata } of surplus) await store.delete("Snapshot", metadata.name, metadata.uid);
}

async function trim(
  context: TaskContext,
  { metadata, status }: Volume,
  settings: SettingValues,
): Promise<void> {
  // prettier-ignore
  const { store, nodes, engines, signal } = context;
  await orAborted(nodes.trimFilesystem(status.currentNodeID, metadata.name), signal);
  const [engine] = await store.list("Engine", ownLabels(metadata.name));
  if (engine !== undefined && !settings.flag("disable-snapshot-purge")) await engines.startPurge(engine);
}

const TICKET_PREFIX = "recurring-job-";

function workTicketId(job: string): string {
  return TICKET_PREFIX + job;
}

/** Tickets of jobs that are not being done any more, left by a manager that ended in the middle.
 * @param isRunning by the job's name */
export async function dropLeftTickets(store: Store, isRunning: (job: string) => boolean): Promise<void> {
  const isLeft = (id: string) => id.startsWith(TICKET_PREFIX) && !isRunning(id.slice(TICKET_PREFIX.length));
  for (const { metadata, spec } of await store.list("VolumeAttachment")) {
    if (!Object.keys(spec.attachmentTickets).some(isLeft)) continue;
    const volume = await store.get("Volume", metadata.name);
    if (volume !== null) await setWorkTickets(store, volume, isLeft, []);
  }
}

/** A volume that nobody uses is attached as long as the work takes. */
async function whileAttached(
  { store, signal }: TaskContext,
  job: Job,
  volume: Volume,
  work: (engine: Resource<"Engine">) => Promise<void>,
): Promise<void> {
  const { name } = volume.metadata;
  const id = workTicketId(job.spec.name);
  const isOurs = (one: string) => one === id;
  const nodeID = workNode(volume, await store.list("Replica", ownLabels(name)), await store.list("Node"));
  if (nodeID === null) throw new Error("there is no node on which it could be attached");
  const ticket = { id, type: "snapshot-controller", nodeID, disableFrontend: "any", attachedBy: "" } as const;
  await setWorkTickets(store, volume, isOurs, [ticket]);
  try {
    await waitFor(store, "Volume", name, (object) => isAttached(object, name), { ms: ATTACH_WAIT_MS, signal }); // prettier-ignore
    const [engine] = await store.list("Engine", ownLabels(name));
    if (engine !== undefined) await work(engine);
  } finally {
    // What goes on with the job, or begins anew, drops it then.
    if (!signal.aborted && (await store.get("Volume", name)) !== null)
      await setWorkTickets(store, volume, isOurs, []);
  }
}

function isAttached(volume: Volume | null, name: string): boolean {
  if (volume === null) throw new Error(`volume ${name} is gone`);
  return volume.status.state === "attached";
}

async function purge({ store, engines, signal }: TaskContext, engine: Resource<"Engine">): Promise<void> {
  const { name } = engine.metadata;
  await engines.startPurge(engine);
  await waitFor(
    store,
    "Engine",
    name,
    (object) => {
      if (object === null) throw new Error(`engine ${name} is gone`);
      const { purgeStatus, snapshots, currentState } = object.status;
      const purges = Object.values(purgeStatus);
      const failed = purges.find(({ error, isPurging }) => error !== "" && !isPurging);
      if (failed !== undefined) throw new Error(`the purge failed: ${failed.error}`);
      if (currentState !== "running") throw new Error("the engine ended before its purge");
      return !purges.some(({ isPurging }) => isPurging) && !hasPurgeable(snapshots);
    },
    { ms: PURGE_WAIT_MS, signal },
  );
}
