/** What a recurring job may be. Pure. Facts: manager.md section 9. */
import type { SpecOf } from "../objects/kinds.js";
import { RuleError } from "../rule-error.js";
import { cronProblem } from "../settings/formats.js";
import type { SettingValues } from "../settings/settings.js";

const NAME_LENGTH_MAX = 40;
const CONCURRENCY_MAX = 100;

/** Kinds that keep nothing. */
const WITHOUT_RETAIN = new Set(["snapshot-cleanup", "filesystem-trim"]);

/** @param before what it is so far, which may be from before a rule, or the setting that it goes by; null: it is new
 * @throws {RuleError} */
export function checkRecurringJob(
  spec: SpecOf<"RecurringJob">,
  before: SpecOf<"RecurringJob"> | null,
  settings: SettingValues,
): void {
  if (spec.name.length > NAME_LENGTH_MAX || !/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(spec.name))
    throw invalid("name", `${JSON.stringify(spec.name)} has to have lower-case letters, digits and "-", ${NAME_LENGTH_MAX} at most`); // prettier-ignore
  if (spec.task === "") throw invalid("task", "is missing");
  const problem = spec.cron === before?.cron ? null : cronProblem(spec.cron);
  if (problem !== null) throw invalid("cron", `${JSON.stringify(spec.cron)} ${problem}`);
  const retainMax = settings.number("recurring-job-max-retention");
  const retainMin = WITHOUT_RETAIN.has(spec.task) ? 0 : 1;
  if (spec.retain !== before?.retain && (spec.retain < retainMin || spec.retain > retainMax))
    throw invalid("retain", `has to be from ${retainMin} to ${retainMax}, not ${spec.retain}`);
  if (spec.concurrency < 1 || spec.concurrency > CONCURRENCY_MAX)
    throw invalid("concurrency", `has to be from 1 to ${CONCURRENCY_MAX}, not ${spec.concurrency}`);
  const group = spec.groups.find((name) => !/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(name));
  if (group !== undefined) throw invalid("groups", `${JSON.stringify(group)} is no name of a group`);
  for (const [name, value] of Object.entries(spec.parameters)) checkParameter(name, value);
}

function checkParameter(name: string, value: string): void {
  const field = `parameters.${name}`;
  if (name === "full-backup-interval") {
    if (!/^\d{1,9}$/.test(value)) throw invalid(field, `${JSON.stringify(value)} is no whole number`);
  } else if (name === "volume-backup-policy") {
    if (!["if-not-present", "always", "disabled"].includes(value))
      throw invalid(field, `${JSON.stringify(value)} is none of if-not-present, always, disabled`);
  } else throw invalid(field, "is not known: there are full-backup-interval and volume-backup-policy");
}

function invalid(field: string, why: string): RuleError {
  return new RuleError("INVALID", `recurringJob: ${field}: ${why}`);
}
