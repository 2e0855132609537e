/** What is found on a node, and named by no object. Pure. Facts: manager.md section 17. */
import { createHash } from "node:crypto";
import type { NewResource, Resource } from "../objects/resource.js";
import { FINALIZER } from "../objects/resource.js";
import type { ReplicaDirectory } from "../operations.js";

/** All names that objects have given away. */
export interface Named {
  /** directories of replicas and witnesses, on whatever disk */
  directories: ReadonlySet<string>;
  /** engines, replicas and witnesses */
  instances: ReadonlySet<string>;
}

export function namedBy(
  engines: readonly Resource<"Engine">[],
  hosted: readonly Resource<"Replica" | "Witness">[],
): Named {
  return {
    directories: new Set(hosted.map(({ spec }) => spec.dataDirectoryName)),
    instances: new Set([...engines, ...hosted].map(({ metadata }) => metadata.name)),
  };
}

export interface ScannedDisk {
  name: string;
  path: string;
  uuid: string;
  directories: readonly ReplicaDirectory[];
}

/** Directories that hold a volume's data, are used by nobody, and are nobody's. */
export function orphanedDirectories(disk: ScannedDisk, named: Named): string[] {
  return disk.directories
    .filter(({ name, hosted, size }) => size > 0 && !hosted && !named.directories.has(name))
    .map(({ name }) => name);
}

export interface FoundInstance {
  name: string;
  uuid: string;
  kind: "engine" | "replica";
  state: string;
}

export function instancesOf({ status }: Resource<"InstanceManager">): FoundInstance[] {
  const of = (kind: FoundInstance["kind"], all: typeof status.instanceEngines) =>
    Object.entries(all).map(([name, one]) => ({
      name,
      kind,
      uuid: one.status.uuid,
      state: one.status.state,
    }));
  return [...of("engine", status.instanceEngines), ...of("replica", status.instanceReplicas)];
}

export function dataOrphan(node: string, disk: ScannedDisk, directory: string): NewResource<"Orphan"> {
  return orphan(node, "replica", [node, disk.name, disk.path, disk.uuid, directory], {
    DataName: directory,
    DiskName: disk.name,
    DiskUUID: disk.uuid,
    DiskPath: disk.path,
    DiskType: "filesystem",
  });
}

export function instanceOrphan(
  node: string,
  manager: string,
  { name, uuid, kind }: FoundInstance,
): NewResource<"Orphan"> {
  const parameters = { InstanceName: name, InstanceUUID: uuid, InstanceManager: manager };
  const made = orphan(node, `${kind}-instance`, [name, uuid, manager, "v1"], parameters);
  return { ...made, labels: { ...made.labels, longhorninstancemanager: manager, [`longhorn${kind}`]: name } };
}

/** @param identity what its name is made of: the same thing has the same name whenever it is found */
function orphan(
  node: string,
  orphanType: string,
  identity: readonly string[],
  parameters: Record<string, string>,
): NewResource<"Orphan"> {
  return {
    kind: "Orphan",
    name: `orphan-${createHash("sha256").update(identity.join("-")).digest("hex")}`,
    finalizers: [FINALIZER],
    labels: { "longhorn.io/component": "orphan", "longhorn.io/orphan-type": orphanType, longhornnode: node },
    spec: { dataEngine: "v1", nodeID: node, orphanType, parameters },
  };
}
