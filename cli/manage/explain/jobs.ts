/** Recurring jobs that a volume names in vain. */
import { list } from "../words.js";
import { command, type Facts, type Finding } from "./facts.js";

export function unknownJobs({ volume, unknownJobs: unknown }: Facts): Finding[] {
  if (unknown.length === 0 || volume.state === "deleting") return [];
  const isGroup = ({ isGroup }: Facts["unknownJobs"][number]) => (isGroup ? "a group" : "a job");
  return [
    {
      what: `It has recurring jobs that are not there: ${list(unknown.map((one) => `${one.name} (${isGroup(one)})`))}. Nothing is done for them.`,
      evidence: [],
      next: unknown.map(
        ({ name, isGroup }) =>
          `To have ${name}: ${command("job", "create", ...(isGroup ? ["JOB", "--group", name] : [name]))} ...; to be without it: ${command("job", "unassign", volume.name, name, ...(isGroup ? ["--group"] : []))}`,
      ),
    },
  ];
}
