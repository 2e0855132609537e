/** What may be changed of a node and its disks. Pure. Facts: manager.md sections 4.3 and 5. */
import type { Resource } from "../objects/resource.js";
import type { SpecOf } from "../objects/kinds.js";
import { RuleError } from "../rule-error.js";

type NodeSpec = SpecOf<"Node">;
type DiskSpec = NodeSpec["disks"][string];

const TAG_LENGTH_MAX = 63;

/** @throws {RuleError} */
export function checkNode(spec: NodeSpec): void {
  checkTags("tags", spec.tags);
  if (spec.instanceManagerCPURequest < 0) throw invalid("instanceManagerCPURequest", "is less than 0");
  if (spec.evictionRequested && spec.allowScheduling)
    throw invalid("evictionRequested", "needs allowScheduling to be false");
}

/** @param after all disks that the node will have
 * @param replicas of all volumes
 * @throws {RuleError} */
export function checkDisks(
  { metadata, spec, status }: Resource<"Node">,
  after: NodeSpec["disks"],
  replicas: readonly Resource<"Replica">[],
): void {
  const paths = new Map<string, string>();
  for (const [name, disk] of Object.entries(after)) {
    checkDisk(name, disk, spec.disks[name], status.diskStatus[name]?.storageMaximum ?? 0);
    const path = disk.path.replace(/\/+$/, "");
    const other = paths.get(path);
    if (other !== undefined) throw invalid(`disks.${name}.path`, `${disk.path} is disk ${other}'s already`);
    paths.set(path, name);
  }
  for (const [name, disk] of Object.entries(spec.disks)) {
    if (Object.hasOwn(after, name)) continue;
    const refuse = (why: string) =>
      new RuleError("REFUSED", `node ${metadata.name}: disks.${name}: it cannot be removed: ${why}`);
    if (disk.allowScheduling) throw refuse("scheduling has to be switched off for it first");
    const found = status.diskStatus[name];
    const there = replicas.filter((one) => one.spec.diskID !== "" && one.spec.diskID === found?.diskUUID);
    const named = [
      ...new Set([...there.map((one) => one.metadata.name), ...Object.keys(found?.scheduledReplica ?? {})]),
    ];
    if (named.length > 0) throw refuse(`replicas are on it: ${named.slice(0, 3).join(", ")}${named.length > 3 ? ", ..." : ""}`); // prettier-ignore
    const images = Object.keys(found?.scheduledBackingImage ?? {});
    if (images.length > 0) throw refuse(`backing images are on it: ${images.join(", ")}`);
  }
}

function checkDisk(name: string, disk: DiskSpec, before: DiskSpec | undefined, maximum: number): void {
  const field = (of: string) => `disks.${name}.${of}`;
  if (!/^[a-zA-Z0-9]([-_.a-zA-Z0-9]*[a-zA-Z0-9])?$/.test(name) || name.length > TAG_LENGTH_MAX)
    throw invalid("disks", `${JSON.stringify(name)} is no name for a disk`);
  if (!disk.path.startsWith("/")) throw invalid(field("path"), `${JSON.stringify(disk.path)} is no absolute path`); // prettier-ignore
  if (disk.diskType === "block") throw new RuleError("NOT_AVAILABLE", `node: ${field("diskType")}: block disks are for the data engine v2`); // prettier-ignore
  if (before !== undefined && before.diskType !== "" && disk.diskType !== before.diskType)
    throw invalid(field("diskType"), `cannot be changed: it is ${before.diskType}`);
  if (before !== undefined && disk.path !== before.path)
    throw invalid(field("path"), `cannot be changed: it is ${before.path}`);
  if (disk.storageReserved < 0 || (maximum > 0 && disk.storageReserved > maximum))
    throw invalid(field("storageReserved"), `has to be from 0 to what the disk has, not ${disk.storageReserved}`); // prettier-ignore
  if (disk.evictionRequested && disk.allowScheduling)
    throw invalid(field("evictionRequested"), "needs allowScheduling to be false");
  checkTags(field("tags"), disk.tags);
}

/** @throws {RuleError} the node may not be removed: it is there, or something is on it */
export function checkNodeRemoval(
  { metadata, spec, status }: Resource<"Node">,
  engines: readonly Resource<"Engine">[],
  replicas: readonly Resource<"Replica">[],
): void {
  const { name } = metadata;
  const refuse = (why: string) => new RuleError("REFUSED", `node ${name} cannot be removed: ${why}`);
  const ready = status.conditions.find(({ type }) => type === "Ready");
  if (ready?.status === "True" || !["KubernetesNodeGone", "ManagerPodMissing"].includes(ready?.reason ?? ""))
    throw refuse(
      `the manager was started with it, and has to be started without its --node ${name}=... first`,
    );
  if (spec.allowScheduling) throw refuse("scheduling has to be switched off for it first");
  const there = [...engines, ...replicas].filter((one) => one.spec.nodeID === name);
  if (there.length > 0) throw refuse(`${there.map((one) => one.metadata.name).slice(0, 3).join(", ")} belongs there`); // prettier-ignore
}

function checkTags(field: string, tags: readonly string[]): void {
  const wrong = tags.find((tag) => !/^[a-zA-Z0-9]([-_.a-zA-Z0-9]*[a-zA-Z0-9])?$/.test(tag) || tag.length > TAG_LENGTH_MAX); // prettier-ignore
  if (wrong !== undefined) throw invalid(field, `${JSON.stringify(wrong)} is no tag`);
}

function invalid(field: string, why: string): RuleError {
  return new RuleError("INVALID", `node: ${field}: ${why}`);
}
