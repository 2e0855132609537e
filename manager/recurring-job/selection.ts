/** Which volumes a job is for, and which snapshots it gives up. Pure. Facts: manager.md section 9. */
import { isDeleted, type Resource } from "../objects/resource.js";
import type { SettingValues } from "../settings/settings.js";
import { isCloning } from "../volume/cloning.js";
import { jobsOf, withDefaultGroup } from "../volume/recurring-labels.js";
import { parseTime } from "../volume/time.js";

type Snapshot = Resource<"Snapshot">;
type Job = Resource<"RecurringJob">;

const JOB_LABEL = "RecurringJob";

/** Labels that its snapshots have. */
export function snapshotLabels({ spec }: Job): Record<string, string> {
  return { ...spec.labels, [JOB_LABEL]: spec.name };
}

/** @returns whether the job has to be done on it, and can be */
export function isForVolume(
  { spec: job }: Job,
  volume: Resource<"Volume">,
  settings: SettingValues,
): boolean {
  const { metadata, spec, status } = volume;
  const refs = jobsOf(withDefaultGroup(metadata.labels));
  const isMeant = refs.some(({ name, isGroup }) => (isGroup ? job.groups.includes(name) : name === job.name));
  if (!isMeant || isDeleted(volume) || spec.Standby || status.restoreRequired || isCloning(volume))
    return false;
  if (status.robustness === "faulted") return false;
  if (status.state === "attached") return true;
  // A file system that is mounted nowhere cannot be trimmed.
  const mayAttach = settings.flag("allow-recurring-job-while-volume-detached") && job.task !== "filesystem-trim"; // prettier-ignore
  return status.state === "detached" && mayAttach;
}

export function isOfJob(job: Job, { spec, status }: Snapshot): boolean {
  return spec.labels[JOB_LABEL] === job.spec.name || status.labels[JOB_LABEL] === job.spec.name;
}

/** It was asked for, and is not there yet. */
export function isPending(snapshot: Snapshot): boolean {
  const { spec, status } = snapshot;
  return spec.createSnapshot && status.creationTime === "" && !isDeleted(snapshot);
}

/** Taken since then, or asked for.
 * @param since ms since 1970 */
export function isFrom({ metadata, status }: Snapshot, since: number): boolean {
  return parseTime(status.creationTime || metadata.creationTimestamp) >= since;
}

/** The oldest ones of those that count.
 * @param keep how many stay */
export function surplusSnapshots(snapshots: readonly Snapshot[], keep: number): Snapshot[] {
  const present = snapshots.filter(
    (one) => one.status.creationTime !== "" && one.status.userCreated && !one.status.markRemoved && !isDeleted(one),
  ); // prettier-ignore
  const age = ({ metadata, status }: Snapshot) => [parseTime(status.creationTime), parseTime(metadata.creationTimestamp)] as const; // prettier-ignore
  return present
    .sort((a, b) => {
      const [[madeA, objectA], [madeB, objectB]] = [age(a), age(b)];
      return madeB - madeA || objectB - objectA;
    })
    .slice(keep);
}
