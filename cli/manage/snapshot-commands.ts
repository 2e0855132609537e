/** `aurochs snapshot`: what a volume was like at earlier times. */
import { InvalidArgumentError, type Command } from "commander";
import type { ActionOutput } from "../../rest-client/resources.js";
import { collect } from "../flags.js";
import {
  action,
  confirm,
  destructive,
  json,
  missing,
  waiting,
  watched,
  type Call,
  type JsonFlag,
  type WatchFlags,
  type YesFlag,
} from "./call.js";
import { purged } from "./progress.js";
import { showLooked } from "./show.js";
import { tableText, type Column, type Paint } from "./table.js";
import { finish, need, type DoneFlags } from "./volume-call.js";
import { age, list, size } from "./words.js";

type Snapshot = ActionOutput<"volumes", "snapshotList">["data"][number];

export function addSnapshotCommands(snapshot: Command): void {
  watched(snapshot.command("list").description("those of a volume, the oldest first"))
    .argument("<volume>")
    .action(
      action<WatchFlags, [string]>(async (call, volume) => {
        const look = async () => (await call.client.act("volumes", volume, "snapshotList", {})).data;
        await showLooked(call, look, (data) => snapshotsText(data, Date.now(), call.terminal.paint));
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
    .argument("<volume>", "one that is not attached is attached for it")
    .argument("<snapshot...>")
    .action(
      action<JsonFlag & YesFlag, [string, string[]]>(async (call, volume, names) => {
        await confirm(call, `What ${volume} was like at ${list(names)} cannot be had back then.`);
        const isDone = await remove(call, volume, names);
        const text = isDone ? "removed" : "will be removed: the volume is attached for that";
        await finish(call, await need(call, volume), null, `${list(names)} of ${volume} ${text}`);
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

/** All of them, or none where one is not known.
 * @returns whether that is done; or it is asked for, where an engine has to be started first */
async function remove(call: Call<unknown>, volume: string, names: readonly string[]): Promise<boolean> {
  const { client } = call;
  const isAttached = (await need(call, volume)).state === "attached";
  const { data } = await client.act("volumes", volume, isAttached ? "snapshotList" : "snapshotCRList", {});
  const unknown = names.find((name) => !data.some((one) => one.name === name));
  if (unknown !== undefined) throw missing(`snapshot of ${volume}:`, unknown);
  for (const name of names)
    await client.act("volumes", volume, isAttached ? "snapshotDelete" : "snapshotCRDelete", { name });
  return isAttached;
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
