/** `aurochs node`: nodes, and whether replicas may be there. */
import type { Command } from "commander";
import type { Node } from "../../rest-client/resources.js";
import {
  action,
  alwaysWaiting,
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
import { emptied, mayGoDown } from "./node-progress.js";
import { nodesText, nodeText } from "./node-text.js";
import { showList, showOne } from "./show.js";
import { waitForAll } from "./wait.js";

export function addNodeCommands(node: Command): void {
  watched(node.command("list").description("all nodes")).action(
    action<WatchFlags>((call) =>
      showList(call, {
        collection: "nodes",
        value: (nodes) => nodes,
        text: (nodes) => nodesText(nodes, call.terminal.paint),
      }),
    ),
  );
  watched(node.command("get").description("one node, with its disks"))
    .argument("<node>")
    .action(
      action<WatchFlags, [string]>((call, name) =>
        showOne(call, {
          collection: "nodes",
          what: "node",
          name,
          text: (one) => nodeText(one, call.terminal.paint),
        }),
      ),
    );
  json(node.command("cordon").description("no more replicas come to a node; those there stay"))
    .argument("<node>")
    .action(
      action<JsonFlag, [string]>(async (call, name) => {
        const changed = await changeNode(call, name, (one) => ({ ...one, allowScheduling: false }));
        told(call, changed, `no more replicas come to ${name}`);
      }),
    );
  json(node.command("uncordon").description("replicas may come to a node again; it is not emptied any more"))
    .argument("<node>")
    .action(
      action<JsonFlag, [string]>(async (call, name) => {
        const changed = await changeNode(call, name, (one) => ({ ...one, allowScheduling: true, evictionRequested: false })); // prettier-ignore
        told(call, changed, `replicas may come to ${name}`);
      }),
    );
  addDrain(node);
  addEvict(node);
  json(node.command("tags").description("replace the tags of a node, by which volumes choose"))
    .argument("<node>")
    .argument("[tag...]", "none: it has none any more")
    .action(
      action<JsonFlag, [string, string[]]>(async (call, name, tags) => {
        const changed = await changeNode(call, name, (one) => ({ ...one, tags }));
        told(call, changed, `${name} has ${tags.length === 0 ? "no tags" : `${tags.length === 1 ? "the tag" : "the tags"} ${changed.tags.join(", ")}`}`); // prettier-ignore
      }),
    );
  destructive(node.command("delete").description("forget a node that is gone and has nothing on it"))
    .argument("<node>")
    .addHelpText(
      "after",
      "\nBefore that: aurochs node cordon, aurochs node evict --wait, and the manager started without --node for it.",
    )
    .action(
      action<YesFlag, [string]>(async (call, name) => {
        await confirm(call, `This removes node ${name} from the storage system.`);
        await call.client.delete("nodes", name);
        call.terminal.out(`${name} is removed\n`);
      }),
    );
}

function addDrain(node: Command): void {
  alwaysWaiting(
    json(
      node.command("drain").description("before maintenance: cordon a node, and wait until it may go down"),
    ),
  )
    .argument("<node>")
    .addHelpText(
      "after",
      "\nNo replica moves. A node may go down when each volume with a copy there has a healthy one on another\nnode. Volumes that are attached there are named: their users have to move, or are cut off. When the node\nis back: aurochs node uncordon. To move all replicas away, for good: aurochs node evict.",
    )
    .action(
      action<JsonFlag & WaitFlags, [string]>(async (call, name) => {
        const changed = await changeNode(call, name, (one) => ({ ...one, allowScheduling: false }));
        told(call, changed, await waitForAll(call, name, ["nodes", "volumes"], mayGoDown(name)));
      }),
    );
}

function addEvict(node: Command): void {
  waiting(json(node.command("evict").description("all replicas move elsewhere, each when it is whole there")))
    .argument("<node>")
    .action(
      action<JsonFlag & WaitFlags, [string]>(async (call, name) => {
        const before = call.flags.wait === true ? await call.client.list("events") : [];
        const changed = await changeNode(call, name, (one) => ({ ...one, allowScheduling: false, evictionRequested: true })); // prettier-ignore
        const text =
          call.flags.wait === true
            ? await waitForAll(call, name, ["nodes", "volumes", "events"], emptied(name, null, before))
            : `${name} is being emptied`;
        told(call, changed, text);
      }),
    );
}

type Fields = Pick<Node, "allowScheduling" | "evictionRequested" | "tags" | "instanceManagerCPURequest">;

/** The API takes all four: what is left out has its zero value. */
async function changeNode(
  { client }: Call<unknown>,
  name: string,
  change: (node: Fields) => Fields,
): Promise<Node> {
  const { allowScheduling, evictionRequested, tags, instanceManagerCPURequest } = await needNode(
    client,
    name,
  );
  return client.update("nodes", name, change({ allowScheduling, evictionRequested, tags, instanceManagerCPURequest })); // prettier-ignore
}

export async function needNode(client: Call<unknown>["client"], name: string): Promise<Node> {
  const node = await client.get("nodes", name);
  if (node === null) throw missing("node", name);
  return node;
}

function told({ flags, terminal }: Call<JsonFlag>, node: Node, text: string): void {
  terminal.out(flags.json === true ? `${JSON.stringify(node)}\n` : `${text}\n`);
}
