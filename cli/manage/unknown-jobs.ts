/** Recurring jobs that a volume has, and that are not there: labels may come before the jobs that they name. */
import type { RestClient } from "../../rest-client/client.js";

/** A volume without jobs is in this group, whether or not there is a job for it. */
const DEFAULT_GROUP = "default";

export async function unknownJobsOf(
  client: RestClient,
  volume: string,
): Promise<{ name: string; isGroup: boolean }[]> {
  const [jobs, { data }] = await Promise.all([
    client.list("recurringjobs"),
    client.act("volumes", volume, "recurringJobList", {}),
  ]);
  const groups = new Set([DEFAULT_GROUP, ...jobs.flatMap((job) => job.groups ?? [])]);
  return data
    .filter(({ name, isGroup }) => (isGroup ? !groups.has(name) : !jobs.some((job) => job.name === name)))
    .map(({ name, isGroup }) => ({ name, isGroup }));
}
