/** `aurochs job`: what is done with volumes again and again. */
import { InvalidArgumentError, Option, type Command } from "commander";
import type { RecurringJob } from "../../rest-client/resources.js";
import { collect } from "../flags.js";
import {
  action,
  confirm,
  destructive,
  json,
  watched,
  type JsonFlag,
  type WatchFlags,
  type YesFlag,
} from "./call.js";
import { ManageError } from "./exit-codes.js";
import { showList, showOne } from "./show.js";
import { parseLabel } from "./snapshot-commands.js";
import { fieldsText, tableText, type Column, type Paint } from "./table.js";
import { unknownJobsOf } from "./unknown-jobs.js";
import { list } from "./words.js";

/** Of what a new job makes, where nothing else is asked for: the manager wants one at least. */
const RETAIN_DEFAULT = 1;

const TASKS = ["snapshot", "snapshot-force-create", "snapshot-cleanup", "snapshot-delete", "backup", "backup-force-create", "filesystem-trim", "system-backup"]; // prettier-ignore

export function addJobCommands(job: Command): void {
  watched(job.command("list").description("all jobs")).action(
    action<WatchFlags>((call) =>
      showList(call, {
        collection: "recurringjobs",
        value: (jobs) => jobs,
        text: (jobs) => jobsText(jobs, call.terminal.paint),
      }),
    ),
  );
  watched(job.command("get").description("one job"))
    .argument("<job>")
    .action(
      action<WatchFlags, [string]>((call, name) =>
        showOne(call, { collection: "recurringjobs", what: "recurringJob", name, text: jobText }),
      ),
    );
  addCreate(job);
  addUpdate(job);
  destructive(job.command("delete").description("do it no more; what it made stays"))
    .argument("<job...>")
    .action(
      action<YesFlag, [string[]]>(async (call, names) => {
        await confirm(call, `This removes ${list(names)}: it is not done any more, for no volume.`);
        for (const name of names) await call.client.delete("recurringjobs", name);
        call.terminal.out(`${list(names)} removed\n`);
      }),
    );
  addAssignment(job, "assign", "let a job, or all of a group, be done for a volume", "recurringJobAdd");
  addAssignment(job, "unassign", "let a volume be without a job or group", "recurringJobDelete");
}

interface ChangeFlags extends JsonFlag {
  cron?: string;
  retain?: number;
  concurrency?: number;
  group?: string[];
  label?: [string, string][];
}

const KEPT = "of what it makes, per volume, the newest are kept";

/** @param retain what is said of --retain */
function changeFlags(command: Command, retain: string): Command {
  return command
    .option("--retain <count>", retain, parseNumber)
    .option("--concurrency <count>", "volumes at once", parseNumber)
    .option(
      "--group <group>",
      'for all volumes of it; the group "default" is those that have no job (repeatable)',
      collect(String),
    )
    .option("--label <key=value>", "for what it makes (repeatable)", collect(parseLabel));
}

function fieldsOf({ cron, retain, concurrency, group, label }: ChangeFlags) {
  return {
    ...(cron === undefined ? {} : { cron }),
    ...(retain === undefined ? {} : { retain }),
    ...(concurrency === undefined ? {} : { concurrency }),
    ...(group === undefined ? {} : { groups: group }),
    ...(label === undefined ? {} : { labels: Object.fromEntries(label) }),
  };
}

function addCreate(job: Command): void {
  const command = job
    .command("create")
    .description(
      "do something again and again, for the volumes of a --group or those that it is assigned to: see assign",
    )
    .argument("<name>", "lower-case letters, digits and -")
    .addOption(
      new Option("--task <task>", "what; backup, backup-force-create and system-backup are not there yet: each run fails").choices(TASKS).makeOptionMandatory(), // prettier-ignore
    )
    .requiredOption("--cron <schedule>", 'when: "0 3 * * *" is each day at three');
  changeFlags(json(command), `${KEPT} (default: ${RETAIN_DEFAULT})`).action(
    action<ChangeFlags & { task: string }, [string]>(async ({ client, flags, terminal }, name) => {
      const fields = { retain: RETAIN_DEFAULT, ...fieldsOf(flags) };
      const made = await client.create("recurringjobs", { name, task: flags.task, ...fields });
      const where = flags.group === undefined ? `; no volume has it yet: aurochs job assign VOLUME ${name}` : ""; // prettier-ignore
      terminal.out(flags.json === true ? `${JSON.stringify(made)}\n` : `job ${name} is made${where}\n`);
    }),
  );
}

function addUpdate(job: Command): void {
  const command = job
    .command("update")
    .description("change a job; its task stays")
    .argument("<job>")
    .option("--cron <schedule>", "when");
  changeFlags(json(command), KEPT).action(
    action<ChangeFlags, [string]>(async ({ client, flags, terminal }, name) => {
      const fields = fieldsOf(flags);
      if (Object.keys(fields).length === 0)
        throw new ManageError("USAGE", "nothing to change is named: see --help");
      const changed = await client.update("recurringjobs", name, fields);
      terminal.out(flags.json === true ? `${JSON.stringify(changed)}\n` : `job ${name} is changed\n`);
    }),
  );
}

function addAssignment(
  job: Command,
  word: string,
  description: string,
  act: "recurringJobAdd" | "recurringJobDelete",
): void {
  json(job.command(word).description(description))
    .argument("<volume>")
    .argument("<job>", "or group")
    .option("--group", "it is the name of a group")
    .action(
      action<JsonFlag & { group?: true }, [string, string]>(
        async ({ client, flags, terminal }, volume, name) => {
          const { data } = await client.act("volumes", volume, act, { name, isGroup: flags.group ?? false });
          const names = data.map((one) => (one.isGroup ? `group ${one.name}` : one.name));
          const unknown = (await unknownJobsOf(client, volume)).map((one) => one.name);
          const lacking = unknown.length === 0 ? "" : `; ${list(unknown)} ${unknown.length === 1 ? "is" : "are"} not there yet`; // prettier-ignore
          const text =
            names.length === 0 ? `${volume} has no jobs` : `${volume} has ${list(names)}${lacking}`;
          terminal.out(flags.json === true ? `${JSON.stringify(data)}\n` : `${text}\n`);
        },
      ),
    );
}

function parseNumber(text: string): number {
  if (!/^\d{1,4}$/.test(text)) throw new InvalidArgumentError("not a whole number");
  return Number(text);
}

function jobsText(jobs: readonly RecurringJob[], paint: Paint): string {
  const columns: Column<RecurringJob>[] = [
    { title: "NAME", of: ({ name }) => name },
    { title: "TASK", of: ({ task }) => task },
    { title: "CRON", of: ({ cron }) => cron },
    { title: "RETAIN", of: ({ retain }) => String(retain), align: "right" },
    { title: "CONCURRENCY", of: ({ concurrency }) => String(concurrency), align: "right" },
    { title: "GROUPS", of: ({ groups }) => (groups ?? []).join(",") },
    { title: "RUNS", of: ({ executionCount }) => String(executionCount), align: "right" },
  ];
  return tableText(columns, jobs, paint);
}

function jobText(job: RecurringJob): string {
  const pairs = (map: Record<string, string> | null) =>
    Object.entries(map ?? {})
      .map((pair) => pair.join("="))
      .join(", ");
  return fieldsText([
    ["job", job.name],
    ["task", job.task],
    ["cron", job.cron],
    ["retain", String(job.retain)],
    ["concurrency", String(job.concurrency)],
    ["groups", (job.groups ?? []).join(", ")],
    ["labels", pairs(job.labels)],
    ["parameters", pairs(job.parameters)],
    ["runs", String(job.executionCount)],
  ]);
}
