/** Nodes and their disks as text for people. Pure. */
import type { Node } from "../../rest-client/resources.js";
import { fieldsText, tableText, type Column, type Paint } from "./table.js";
import type { Tone } from "./terminal.js";
import { oneLine } from "./volume-text.js";
import { size } from "./words.js";

type DiskInfo = NonNullable<Node["disks"]>[string];
type Condition = Node["conditions"][string];

/** A disk with what it belongs to: the API has disks inside of nodes. */
export type Disk = DiskInfo & { name: string; node: string };

export function disksOf(nodes: readonly Node[]): Disk[] {
  return nodes.flatMap((node) =>
    Object.entries(node.disks ?? {}).map(([name, disk]) => ({ node: node.name, name, ...disk })),
  );
}

export function nodesText(nodes: readonly Node[], paint: Paint): string {
  const sum = (node: Node, of: (disk: DiskInfo) => number) =>
    Object.values(node.disks ?? {}).reduce((total, disk) => total + of(disk), 0);
  const columns: Column<Node>[] = [
    { title: "NAME", of: ({ name }) => name },
    { title: "READY", of: ({ conditions }) => readyText(conditions), tone: ({ conditions }) => readyTone(conditions) }, // prettier-ignore
    { title: "SCHEDULING", of: schedulingText, tone: schedulingTone },
    { title: "ZONE", of: ({ zone }) => zone },
    { title: "REPLICAS", of: (node) => String(sum(node, replicaCount)), align: "right" },
    { title: "PROMISED", of: (node) => size(sum(node, ({ storageScheduled }) => storageScheduled)), align: "right" }, // prettier-ignore
    { title: "AVAILABLE", of: (node) => size(sum(node, ({ storageAvailable }) => storageAvailable)), align: "right" }, // prettier-ignore
    { title: "SIZE", of: (node) => size(sum(node, ({ storageMaximum }) => storageMaximum)), align: "right" },
    { title: "TAGS", of: ({ tags }) => tags.join(",") },
  ];
  return tableText(columns, nodes, paint);
}

export function nodeText(node: Node, paint: Paint): string {
  const fields: [string, string][] = [
    ["node", node.name],
    ["ready", paint(readyText(node.conditions), readyTone(node.conditions))],
    ["scheduling", schedulingText(node)],
    ["address", node.address],
    ["region", node.region],
    ["zone", node.zone],
    ["tags", node.tags.join(", ")],
    ...unfulfilled(node.conditions),
  ];
  return `${fieldsText(fields)}\n${disksText(disksOf([node]), paint)}`;
}

export function disksText(disks: readonly Disk[], paint: Paint): string {
  const columns: Column<Disk>[] = [
    { title: "NODE", of: ({ node }) => node },
    { title: "DISK", of: ({ name }) => name },
    { title: "PATH", of: ({ path }) => path },
    { title: "READY", of: ({ conditions }) => readyText(conditions), tone: ({ conditions }) => readyTone(conditions) }, // prettier-ignore
    { title: "SCHEDULING", of: schedulingText, tone: schedulingTone },
    { title: "REPLICAS", of: (disk) => String(replicaCount(disk)), align: "right" },
    { title: "PROMISED", of: ({ storageScheduled }) => size(storageScheduled), align: "right" },
    { title: "AVAILABLE", of: ({ storageAvailable }) => size(storageAvailable), align: "right" },
    { title: "RESERVED", of: ({ storageReserved }) => size(storageReserved), align: "right" },
    { title: "SIZE", of: ({ storageMaximum }) => size(storageMaximum), align: "right" },
    { title: "TAGS", of: ({ tags }) => tags.join(",") },
  ];
  return tableText(columns, disks, paint);
}

function replicaCount({ scheduledReplica }: DiskInfo): number {
  return Object.keys(scheduledReplica).length;
}

type Conditions = Readonly<Record<string, Condition>>;

function readyText(conditions: Conditions): string {
  const ready = conditions["Ready"];
  if (ready === undefined) return "unknown";
  if (ready.status === "True") return "yes";
  return ready.reason === "" ? "no" : `no, ${ready.reason}`;
}

function readyTone(conditions: Conditions): Tone {
  return conditions["Ready"]?.status === "True" ? "good" : "bad";
}

interface Schedulable {
  allowScheduling: boolean;
  evictionRequested: boolean;
  conditions: Conditions;
}

function schedulingText({ allowScheduling, evictionRequested, conditions }: Schedulable): string {
  if (evictionRequested) return "evicting";
  if (!allowScheduling) return "off";
  const schedulable = conditions["Schedulable"];
  if (schedulable?.status !== "False") return "on";
  return schedulable.reason === "" ? "not now" : `not now, ${schedulable.reason}`;
}

function schedulingTone(of: Schedulable): Tone | null {
  return schedulingText(of) === "on" ? null : "careful";
}

/** What nodes have to say about themselves, where it is not as it should be. */
function unfulfilled(conditions: Conditions): [string, string][] {
  return Object.values(conditions)
    .filter(({ status, message }) => status !== "True" && message !== "")
    .map(({ type, message }) => [type, oneLine(message)]);
}
