/** How large a volume a node can hold a replica of. Pure. Facts: the largest of its disks counts, as a replica is on one disk. */
import type { Node } from "../rest-client/resources.js";
import { invalid } from "./errors.js";
import { tagsOf } from "./parameters.js";

export interface CapacityRules {
  /** per cent of a disk that may be promised */
  overProvisioning: number;
  /** whether nodes, and disks, with tags take what asks for none */
  allowEmptyNodeSelector: boolean;
  allowEmptyDiskSelector: boolean;
}

/** @returns bytes, 0 when it takes nothing of this kind
 * @throws {RpcError} INVALID_ARGUMENT: there is no such data engine */
export function capacityOf(
  node: Node,
  parameters: Readonly<Record<string, string>>,
  rules: CapacityRules,
): number {
  const engine = parameters["dataEngine"] || "v1";
  if (engine !== "v1" && engine !== "v2")
    throw invalid(`parameter dataEngine: "${engine}" is neither v1 nor v2`);
  const isTrue = (conditions: Node["conditions"], type: string) => conditions[type]?.status === "True";
  const nodeTags = tagsOf(parameters["nodeSelector"] ?? "");
  const diskTags = tagsOf(parameters["diskSelector"] ?? "");
  const isUsable =
    node.allowScheduling &&
    !node.evictionRequested &&
    isTrue(node.conditions, "Ready") &&
    isTrue(node.conditions, "Schedulable") &&
    isWanted(node.tags, nodeTags, rules.allowEmptyNodeSelector);
  if (!isUsable) return 0;
  const type = engine === "v1" ? "filesystem" : "block";
  const rooms = Object.values(node.disks ?? {})
    .filter(
      (disk) =>
        disk.diskType === type &&
        disk.allowScheduling &&
        !disk.evictionRequested &&
        isTrue(disk.conditions, "Schedulable") &&
        isWanted(disk.tags, diskTags, rules.allowEmptyDiskSelector),
    )
    .map((disk) => ((disk.storageMaximum - disk.storageReserved) * rules.overProvisioning) / 100 - disk.storageScheduled); // prettier-ignore
  return Math.max(0, ...rooms.map(Math.floor));
}

function isWanted(tags: readonly string[], wanted: readonly string[], allowEmpty: boolean): boolean {
  if (wanted.length === 0) return allowEmpty || tags.length === 0;
  return wanted.every((tag) => tags.includes(tag));
}
