/** Which recurring jobs a volume has: its labels say so. Pure. Facts: manager.md section 9. */

const JOB = "recurring-job.longhorn.io/";
const GROUP = "recurring-job-group.longhorn.io/";
const ENABLED = "enabled";
const DEFAULT_GROUP = `${GROUP}default`;

export interface JobRef {
  name: string;
  isGroup: boolean;
}

type Labels = Readonly<Record<string, string>>;

export function jobsOf(labels: Labels): JobRef[] {
  return Object.entries(labels).flatMap(([key, value]): JobRef[] => {
    if (value !== ENABLED) return [];
    if (key.startsWith(JOB)) return [{ name: key.slice(JOB.length), isGroup: false }];
    return key.startsWith(GROUP) ? [{ name: key.slice(GROUP.length), isGroup: true }] : [];
  });
}

export function withJob(labels: Labels, { name, isGroup }: JobRef): Record<string, string> {
  return { ...labels, [(isGroup ? GROUP : JOB) + name]: ENABLED };
}

export function withoutJob(labels: Labels, { name, isGroup }: JobRef): Record<string, string> {
  const key = (isGroup ? GROUP : JOB) + name;
  return withDefaultGroup(Object.fromEntries(Object.entries(labels).filter(([label]) => label !== key)));
}

/** A volume without any job is in the group for those. */
export function withDefaultGroup(labels: Labels): Record<string, string> {
  return jobsOf(labels).length > 0 ? { ...labels } : { ...labels, [DEFAULT_GROUP]: ENABLED };
}
