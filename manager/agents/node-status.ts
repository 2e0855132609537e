/** How a node and its disks are, of what its agent tells. Pure. Facts: manager.md section 5. */
import type { DiskStatus } from "../../proto/instance-manager.js";
import { bytesOf } from "../objects/bytes.js";
import { dated } from "../objects/conditions.js";
import type { Condition } from "../objects/fields.js";
import type { Resource } from "../objects/resource.js";
import type { SpaceRules } from "../schedule/cluster.js";
import { isFull } from "../schedule/space.js";
import { instanceManagerName } from "./instance-manager.js";

type Node = Resource<"Node">;
type Found = Node["status"]["diskStatus"][string];
type News = Pick<Condition, "type" | "status" | "reason" | "message">;

/** Reasons of a disk's conditions that tell nothing of the disk itself. */
export const FOLLOWS: ReadonlySet<string> = new Set(["NodeNotReady", "DiskNotReady"]);

interface AgentNews {
  isReached: boolean;
  isDown: boolean;
  /** the node whose agent answers instead; null: none */
  isOf: string | null;
  /** "HOST:PORT" */
  address: string;
  zone: string;
  disks: ReadonlyMap<string, DiskStatus>;
}

export interface NodeNews {
  /** null: the node is none of ours any more */
  agent: AgentNews | null;
  /** why disks could not be made, or found, by name */
  problems: ReadonlyMap<string, string>;
  /** of all volumes */
  replicas: readonly Resource<"Replica">[];
  rules: SpaceRules;
  /** RFC 3339 */
  now: string;
}

export function nodeStatus(node: Node, news: NodeNews): Node["status"] {
  const { agent, now } = news;
  const { status, spec } = node;
  const before = status.conditions;
  const ready = readiness(node, agent);
  const schedulable = { type: "Schedulable", status: "True", reason: "", message: "" };
  return {
    ...status,
    ...(agent?.isReached === true ? { zone: agent.zone } : {}),
    conditions: [ready, schedulable].map((one) => dated(one, before, now)),
    diskStatus: Object.fromEntries(
      Object.keys(spec.disks).map((name) => [name, diskStatus(node, name, ready.status === "True", news)]),
    ),
  };
}

/** A node whose agent is away for a moment is as it was. */
function readiness({ metadata, status }: Node, agent: NodeNews["agent"]): News {
  const type = "Ready";
  if (agent === null)
    return {
      ...{ type, status: "False", reason: "ManagerPodMissing" },
      message: `no agent is known for node ${metadata.name}`,
    };
  if (agent.isReached) return { type, status: "True", reason: "", message: "" };
  if (agent.isDown)
    return {
      ...{ type, status: "False", reason: "KubernetesNodeNotReady" },
      message:
        agent.isOf === null
          ? `the agent of node ${metadata.name} cannot be reached at ${agent.address}; it listens where its --listen says`
          : `the agent at ${agent.address} is not that of node ${metadata.name}: it has a disk of node ${agent.isOf}`,
    };
  const was = status.conditions.find((one) => one.type === type);
  return was ?? { type, status: "Unknown", reason: "", message: `its agent was not reached yet at ${agent.address}` }; // prettier-ignore
}

function diskStatus(node: Node, name: string, isNodeReady: boolean, news: NodeNews): Found {
  const { agent, problems, replicas, rules, now } = news;
  const wanted = node.spec.disks[name];
  const before = statusAt(wanted?.path, node.status.diskStatus[name]);
  const tells = agent?.isReached === true ? agent.disks.get(name) : undefined;
  const told = tells?.path === wanted?.path ? tells : undefined;
  const diskUUID = before?.diskUUID || told?.uuid || "";
  const there = replicas.filter(({ spec }) => diskUUID !== "" && spec.diskID === diskUUID);
  const found = {
    ...{ diskName: name, diskPath: wanted?.path ?? "", diskUUID, diskDriver: "" },
    diskType: "filesystem",
    instanceManagerName: instanceManagerName(node.metadata.name),
    filesystemType: told?.filesystemType ?? before?.filesystemType ?? "",
    scheduledBackingImage: {},
    scheduledReplica: Object.fromEntries(
      there.map(({ metadata, spec }) => [metadata.name, bytesOf(spec.volumeSize)]),
    ),
    storageAvailable: told?.available ?? before?.storageAvailable ?? 0,
    storageMaximum: told?.capacity ?? before?.storageMaximum ?? 0,
    storageScheduled: there.reduce((sum, { spec }) => sum + bytesOf(spec.volumeSize), 0),
  };
  const ready = isNodeReady
    ? diskReadiness(name, told, before, problems.get(name))
    : { type: "Ready", status: "False", reason: "NodeNotReady", message: `node ${node.metadata.name} is not ready` }; // prettier-ignore
  const conditions = [ready, pressure(found, wanted?.storageReserved ?? 0, ready.status === "True", rules)];
  return { ...found, conditions: conditions.map((one) => dated(one, before?.conditions ?? [], now)) };
}

/** What is known of a disk that is to be at a path: one of its name may have been elsewhere before. */
export function statusAt(path: string | undefined, found: Found | undefined): Found | undefined {
  return found?.diskPath === path ? found : undefined;
}

function diskReadiness(
  name: string,
  told: DiskStatus | undefined,
  before: Found | undefined,
  problem: string | undefined,
): News {
  const type = "Ready";
  if (told === undefined) {
    const was = before?.conditions.find((one) => one.type === type);
    if (problem === undefined && was !== undefined) return was;
    const message = problem ?? `disk ${name} was not looked at yet`;
    return { type, status: problem === undefined ? "Unknown" : "False", reason: "NoDiskInfo", message };
  }
  const { ready, reason, message, uuid } = told;
  if (ready && before !== undefined && before.diskUUID !== "" && before.diskUUID !== uuid)
    return {
      ...{ type, status: "False", reason: "DiskFilesystemChanged" },
      message: `it was the disk ${before.diskUUID}, and is ${uuid}`,
    };
  return { type, status: ready ? "True" : "False", reason, message };
}

function pressure(
  found: Pick<Found, "storageMaximum" | "storageAvailable" | "storageScheduled">,
  reserved: number,
  isReady: boolean,
  rules: SpaceRules,
): News {
  const type = "Schedulable";
  if (!isReady) return { type, status: "False", reason: "DiskNotReady", message: "the disk is not ready" };
  const space = {
    ...{ maximum: found.storageMaximum, available: found.storageAvailable, reserved },
    scheduled: found.storageScheduled,
  };
  const why = isFull(space, rules);
  if (why === null) return { type, status: "True", reason: "", message: "" };
  return { type, status: "False", reason: "DiskPressure", message: why };
}
