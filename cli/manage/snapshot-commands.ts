/** `aurochs snapshot`: what a volume was like at earlier times. */
import { InvalidArgumentError, type Command } from "commander";
import type { ActionOutput } from "../../rest-client/resources.js";
import { collect } from "../flags.js";
import { action, confirm, destructive, json, waiting, type JsonFlag, type YesFlag } from "./call.js";
import { purged } from "./progress.js";
import { tableText, type Column, type Paint } from "./table.js";
import { finish, need, type DoneFlags } from "./volume-call.js";
import { age, list, size } from "./words.js";

type Snapshot = ActionOutput<"volumes", "snapshotList">["data"][number];

export function addSnapshotCommands(snapshot: Command): void {
  json(snapshot.command("list").description("those of a volume, the oldest first"))
    .argument("<volume>")
    .action(
      action<JsonFlag, [string]>(async ({ client, flags, terminal }, volume) => {
        const { data } = await client.act("volumes", volume, "snapshotList", {});
        if (flags.json === true) terminal.out(`${JSON.stringify(data)}\n`);
        else terminal.out(snapshotsText(data, Date.now(), terminal.paint));
      }),
    );
  json(snapshot.command("create").description("keep what a volume is like now"))
    .argument("<volume>")
    .argument("[name]", "lower-case letters, digits, - and .")
    .option("--label <key=value>", "to find it by (repeatable)", collect(parseLabel))
    .action(
      action<JsonFlag & { label?: [string, string][] }, [string, string | undefined]>(
        async (call, volume, name = "") => {
          const { client, flags, terminal } = call;
          const input = { name, labels: Object.fromEntries(flags.label ?? []) };
          const { state } = await need(call, volume);
          // One that is not attached is attached for it: the API has another way for that.
          const made =
            state === "attached"
              ? await client.act("volumes", volume, "snapshotCreate", input)
              : await client.act("volumes", volume, "snapshotCRCreate", input);
          const text = state === "attached" ? `snapshot ${made.name} of ${volume}` : `snapshot ${made.name} of ${volume} is asked for`; // prettier-ignore
          terminal.out(flags.json === true ? `${JSON.stringify(made)}\n` : `${text}\n`);
        },
      ),
    );
  json(destructive(snapshot.command("delete").description("remove snapshots; a purge gives their room back")))
    .argument("<volume>")
    .argument("<snapshot...>")
    .action(
      action<JsonFlag & YesFlag, [string, string[]]>(async (call, volume, names) => {
        await confirm(call, `What ${volume} was like at ${list(names)} cannot be had back then.`);
        for (const name of names) await call.client.act("volumes", volume, "snapshotDelete", { name });
        await finish(call, await need(call, volume), null, `${list(names)} of ${volume} removed`);
      }),
    );
  json(destructive(snapshot.command("revert").description("make a volume what it was")))
    .argument("<volume>", "attached with --disable-frontend")
    .argument("<snapshot>")
    .action(
      action<JsonFlag & YesFlag, [string, string]>(async (call, volume, name) => {
        await confirm(
          call,
          `What was written to ${volume} since ${name} is lost, unless another snapshot has it.`,
        );
        await call.client.act("volumes", volume, "snapshotRevert", { name });
        await finish(call, await need(call, volume), null, `${volume} is what it was at ${name}`);
      }),
    );
  waiting(json(snapshot.command("purge").description("give back the room of snapshots that are removed")))
    .argument("<volume>")
    .action(
      action<DoneFlags, [string]>(async (call, volume) => {
        const asked = await call.client.act("volumes", volume, "snapshotPurge", {});
        await finish(call, asked, purged(volume), `${volume} is being purged`);
      }),
    );
}

export function parseLabel(text: string): [string, string] {
  const at = text.indexOf("=");
  if (at < 1) throw new InvalidArgumentError("not KEY=VALUE");
  return [text.slice(0, at), text.slice(at + 1)];
}

export function snapshotsText(snapshots: readonly Snapshot[], now: number, paint: Paint): string {
  const columns: Column<Snapshot>[] = [
    { title: "NAME", of: ({ name }) => name },
    { title: "AGE", of: ({ created }) => age(created, now), align: "right" },
    { title: "SIZE", of: (one) => size(one.size), align: "right" },
    { title: "BY", of: ({ name, usercreated }) => (name === HEAD ? "" : usercreated ? "user" : "system") },
    { title: "PARENT", of: ({ parent }) => parent },
    { title: "LABELS", of: ({ labels }) => Object.entries(labels).map((pair) => pair.join("=")).join(",") }, // prettier-ignore
    { title: "", of: ({ removed }) => (removed ? "removed" : ""), tone: () => "careful" },
  ];
  return tableText(columns, oldestFirst(snapshots), paint);
}

const HEAD = "volume-head";

/** By time; what is written to now comes last. */
function oldestFirst(snapshots: readonly Snapshot[]): Snapshot[] {
  const key = ({ name, created }: Snapshot) => `${name === HEAD ? "1" : "0"}${created}`;
  return [...snapshots].sort((a, b) => (key(a) < key(b) ? -1 : 1));
}
