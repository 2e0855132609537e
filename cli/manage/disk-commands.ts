/** `aurochs disk`: directories of nodes that replicas are in. */
import { basename } from "node:path";
import type { Command } from "commander";
import { collect, parseSize } from "../flags.js";
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
  type WaitFlags,
  type WatchFlags,
  type YesFlag,
} from "./call.js";
import { ManageError } from "./exit-codes.js";
import { needNode } from "./node-commands.js";
import { emptied } from "./node-progress.js";
import { disksOf, disksText, type Disk } from "./node-text.js";
import { showList } from "./show.js";
import { waitForAll } from "./wait.js";

export function addDiskCommands(disk: Command): void {
  watched(disk.command("list").description("all disks, with their node and name as JSON, too"))
    .option("--node <node>", "only those of this one")
    .action(
      action<WatchFlags & { node?: string }>((call) => {
        const chosen = (disks: Disk[]) =>
          disks.filter(({ node }) => call.flags.node === undefined || node === call.flags.node);
        return showList(call, {
          collection: "nodes",
          value: (nodes) => chosen(disksOf(nodes)),
          text: (nodes) => disksText(chosen(disksOf(nodes)), call.terminal.paint),
        });
      }),
    );
  addAdd(disk);
  json(disk.command("cordon").description("no more replicas come to a disk; those there stay"))
    .argument("<node>")
    .argument("<disk>")
    .action(
      changing(() => ({ allowScheduling: false }), (name) => `no more replicas come to ${name}`), // prettier-ignore
    );
  json(disk.command("uncordon").description("replicas may come to a disk again; it is not emptied any more"))
    .argument("<node>")
    .argument("<disk>")
    .action(
      changing(() => ({ allowScheduling: true, evictionRequested: false }), (name) => `replicas may come to ${name}`), // prettier-ignore
    );
  waiting(json(disk.command("evict").description("all replicas move elsewhere, each when it is whole there")))
    .argument("<node>")
    .argument("<disk>")
    .action(
      changing(() => ({ allowScheduling: false, evictionRequested: true }), (name) => `${name} is being emptied`, emptied), // prettier-ignore
    );
  json(disk.command("reserve").description("keep room on a disk for others"))
    .argument("<node>")
    .argument("<disk>")
    .argument("<size>", "0: none", (text) => (text === "0" ? text : String(parseSize(text))))
    .action(
      changing(([bytes]) => ({ storageReserved: Number(bytes) }), (name) => `room is reserved on ${name}`), // prettier-ignore
    );
  json(disk.command("tags").description("replace the tags of a disk, by which volumes choose"))
    .argument("<node>")
    .argument("<disk>")
    .argument("[tag...]", "none: it has none any more")
    .action(changing(([tags]) => ({ tags: tags as string[] }), (name) => `${name} has other tags`)); // prettier-ignore
  destructive(disk.command("remove").description("forget a disk that is cordoned and empty; its files stay"))
    .argument("<node>")
    .argument("<disk>")
    .action(
      action<YesFlag, [string, string]>(async (call, node, name) => {
        await confirm(call, `This removes disk ${name} of ${node} from the storage system.`);
        await changeDisks(call, node, (disks) => {
          if (disks[name] === undefined) throw missing(`disk of ${node}:`, name);
          return Object.fromEntries(Object.entries(disks).filter(([other]) => other !== name));
        });
        call.terminal.out(`disk ${name} of ${node} is removed\n`);
      }),
    );
}

interface AddFlags extends JsonFlag {
  name?: string;
  reserved?: number;
  tag?: string[];
}

function addAdd(disk: Command): void {
  json(disk.command("add").description("let replicas be in a directory of a node"))
    .argument("<node>")
    .argument("<path>", "the directory: where a file system of its own is mounted, to be of use")
    .option("--name <name>", "of the disk (default: the last part of the path)")
    .option("--reserved <size>", "room that is kept for others", parseSize)
    .option("--tag <tag>", "by which volumes choose (repeatable)", collect(String))
    .action(
      action<AddFlags, [string, string]>(async (call, node, path) => {
        const { name = basename(path), reserved = 0, tag = [] } = call.flags;
        const changed = await changeDisks(call, node, (disks) => {
          if (disks[name] !== undefined)
            throw new ManageError("FAILED", `${node} has a disk ${name} already`);
          return { ...disks, [name]: { path, diskType: "filesystem", diskDriver: "", allowScheduling: true, evictionRequested: false, storageReserved: reserved, tags: tag } }; // prettier-ignore
        });
        const text = `${node} has the disk ${name}: ${path}`;
        call.terminal.out(call.flags.json === true ? `${JSON.stringify(changed)}\n` : `${text}\n`);
      }),
    );
}

/** What can be changed of a disk: the API takes all of it for all disks of a node. */
type Fields = Pick<Disk, "path" | "diskType" | "diskDriver" | "allowScheduling" | "evictionRequested" | "storageReserved" | "tags">; // prettier-ignore

function changing(
  change: (more: (string | string[])[]) => Partial<Fields>,
  text: (name: string) => string,
  waitFor: typeof emptied | null = null,
) {
  return action<JsonFlag & WaitFlags, [string, string, ...(string | string[])[]]>(
    async (call, node, name, ...more) => {
      const isWaiting = call.flags.wait === true && waitFor !== null;
      const earlier = isWaiting ? await call.client.list("events") : [];
      const changed = await changeDisks(call, node, (disks) => {
        const before = disks[name];
        if (before === undefined) throw missing(`disk of ${node}:`, name);
        return { ...disks, [name]: { ...before, ...change(more) } };
      });
      const told = isWaiting
        ? await waitForAll(call, node, ["nodes", "volumes", "events"], waitFor(node, name, earlier))
        : text(`disk ${name} of ${node}`);
      call.terminal.out(call.flags.json === true ? `${JSON.stringify(changed)}\n` : `${told}\n`);
    },
  );
}

async function changeDisks(
  { client }: Call<unknown>,
  node: string,
  change: (disks: Record<string, Fields>) => Record<string, Fields>,
) {
  const { disks } = await needNode(client, node);
  const before = Object.entries(disks ?? {}).map(([name, { path, diskType, diskDriver, allowScheduling, evictionRequested, storageReserved, tags }]) => [name, { path, diskType, diskDriver, allowScheduling, evictionRequested, storageReserved, tags }] as const); // prettier-ignore
  return client.act("nodes", node, "diskUpdate", { disks: change(Object.fromEntries(before)) });
}
