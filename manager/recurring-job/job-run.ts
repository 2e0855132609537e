/** One run of a job: over all volumes that it is for, some at a time. */
import type { Logger } from "pino";
import { formatTime } from "../../engine/timestamp.js";
import { errorText } from "../../proto/rpc-error.js";
import type { Tell } from "../events/events.js";
import type { Resource } from "../objects/resource.js";
import { loadSettings } from "../settings/stored.js";
import { modify } from "../store/store.js";
import { isForVolume } from "./selection.js";
import { dropLeftTickets, runTask, type TaskContext } from "./tasks.js";

type Job = Resource<"RecurringJob">;

/** Annotation of a job that is being done: since when. It is what a manager that was ended in the middle goes on from. */
const RUNNING = "aurochs.io/running-since";

const BACKUPS: ReadonlySet<string> = new Set(["backup", "backup-force-create", "system-backup"]);

/** @returns RFC 3339; null: it is not being done */
export function runningSince({ metadata }: Job): string | null {
  return metadata.annotations[RUNNING] ?? null;
}

export interface RunContext extends Omit<TaskContext, "onKept"> {
  tell: Tell;
  log: Logger;
}

/** Never fails: what went wrong is told. A run whose signal was aborted is not marked as done.
 * @param resumed it was begun by a manager that is gone */
export async function runJob(context: RunContext, job: Job, resumed: boolean): Promise<void> {
  const { store, signal, since } = context;
  const { name } = job.metadata;
  if (!resumed) {
    await mark(context, job, formatTime(since));
    await modify(store, "RecurringJob", name, "status", ({ status }) => {
      status.executionCount++;
    });
  }
  if (BACKUPS.has(job.spec.task))
    warn(context, job, "Failed", `${job.spec.task}: not available yet: backups`);
  else await onAllVolumes(context, job);
  if (signal.aborted) return;
  // A volume that was being attached for it when it was broken off is none of those that it went on with.
  await dropLeftTickets(store, (other) => other !== name);
  await mark(context, job, null);
}

/** @param since null: it is not being done any more */
export async function mark(
  { store }: Pick<RunContext, "store">,
  job: Job,
  since: string | null,
): Promise<void> {
  // prettier-ignore
  await modify(store, "RecurringJob", job.metadata.name, "spec", ({ metadata }) => {
    const others = Object.entries(metadata.annotations).filter(([key]) => key !== RUNNING);
    metadata.annotations = Object.fromEntries(since === null ? others : [...others, [RUNNING, since]]);
  });
}

async function onAllVolumes(context: RunContext, job: Job): Promise<void> {
  const { store, signal } = context;
  const settings = await loadSettings(store);
  const volumes = (await store.list("Volume")).filter((volume) => isForVolume(job, volume, settings));
  const next = volumes.values();
  const work = async () => {
    for (const volume of next) {
      if (signal.aborted) return;
      await onVolume(context, job, volume);
    }
  };
  await Promise.all(Array.from({ length: job.spec.concurrency }, work));
}

async function onVolume(context: RunContext, job: Job, volume: Resource<"Volume">): Promise<void> {
  const onKept = (message: string) => warn(context, job, "FailedDeleting", message);
  try {
    await runTask({ ...context, onKept }, job, volume);
  } catch (error) {
    if (context.signal.aborted) return;
    context.log.warn({ err: error, volume: volume.metadata.name }, "not done");
    warn(context, job, "Failed", `volume ${volume.metadata.name}: ${errorText(error)}`);
  }
}

function warn({ tell }: RunContext, job: Job, reason: string, message: string): void {
  tell(job, { type: "Warning", reason, message });
}
