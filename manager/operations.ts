/**
 * What the manager asks of running engines and of nodes. Who carries it out speaks with the nodes' agents; nothing above knows
 * how.
 */
import type { EngineTotals } from "../proto/engine-watch.js";
import type { Resource } from "./objects/resource.js";

export class OperationError extends Error {
  override readonly name = "OperationError";
  /** `REFUSED`: the present state does not allow it; `MISSING`: what it is about is not there; `UNREACHABLE`: nobody answered;
   * `FAILED`: it was tried */
  constructor(
    readonly code: "REFUSED" | "MISSING" | "UNREACHABLE" | "FAILED",
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** As the status of an Engine object has them. */
export type EngineSnapshot = Resource<"Engine">["status"]["snapshots"][string];

export interface VolumePerformance {
  /** bytes a second */
  readThroughput: number;
  writeThroughput: number;
  /** operations a second */
  readIops: number;
  writeIops: number;
  /** ns */
  readLatency: number;
  writeLatency: number;
}

export type { EngineTotals };

/** How far the hashing of a snapshot is on one replica. */
export interface SnapshotHash {
  /** as the replica says it: "in_progress", "complete", "error", "" when it was never asked for */
  state: string;
  checksum: string;
  error: string;
  /** the file has changed and nobody wrote to it */
  silentlyCorrupted: boolean;
}

/** All of them take engines that run, end by themselves within some seconds but for `cloneSnapshot`, and throw OperationError. */
export interface EngineOperations {
  /** What the head holds is kept under a name from now on.
   * @param name "": one is made up
   * @returns its name */
  createSnapshot(engine: Resource<"Engine">, name: string, labels: Record<string, string>): Promise<string>;
  /** With `volume-head`, by name. UNREACHABLE as well while no copy is whole: there is nobody to ask then. */
  listSnapshots(engine: Resource<"Engine">): Promise<Record<string, EngineSnapshot>>;
  /** It is marked; a purge takes it away. */
  deleteSnapshot(engine: Resource<"Engine">, name: string): Promise<void>;
  /** The volume holds what it held then. Nobody may use it meanwhile. */
  revertToSnapshot(engine: Resource<"Engine">, name: string): Promise<void>;
  /** Begins to take away marked snapshots; the engine's status tells how far it is. */
  startPurge(engine: Resource<"Engine">): Promise<void>;
  performance(engine: Resource<"Engine">): Promise<VolumePerformance>;
  /** What it has done since it was attached; null while it has no replicas. */
  totals(engine: Resource<"Engine">): Promise<EngineTotals | null>;
  /** Begins to hash a snapshot on all replicas; `REFUSED` while one of them hashes another one.
   * @param rehash also where the file has not changed since it was hashed */
  hashSnapshot(engine: Resource<"Engine">, name: string, rehash: boolean): Promise<void>;
  /** How far that is, by the address of the replica as the engine's status has them. */
  snapshotHashes(engine: Resource<"Engine">, name: string): Promise<Record<string, SnapshotHash>>;
  /** Copies a snapshot of one volume into all replicas of another one, whose content it becomes. Resolves when it is whole
   * there, which may take hours; the target's status tells how far it is. Whoever asked may be gone before: the copy
   * goes on, and asking again meanwhile is `REFUSED`.
   * @param target without a frontend, and nothing written to it */
  cloneSnapshot(target: Resource<"Engine">, source: Resource<"Engine">, name: string): Promise<void>;
}

/** A directory below `replicas/` of a disk. */
export interface ReplicaDirectory {
  name: string;
  /** a replica runs on it */
  hosted: boolean;
  /** bytes, as its metadata say; 0: they cannot be read */
  size: number;
}

/** Of a node, by whomever. */
export interface MachineUse {
  /** thousandths of a processor */
  cpuCapacity: number;
  cpuUsage: number;
  /** bytes */
  memoryCapacity: number;
  memoryUsage: number;
}

export interface NodeOperations {
  machineUse(node: string): Promise<MachineUse>;
  /** Tells the volume which blocks its mounted file system does not use.
   * @param node where it is mounted */
  trimFilesystem(node: string, volume: string): Promise<void>;
  /** @param disk its name
   * @throws {OperationError} also when it is not the disk of that uuid (any more): `REFUSED` */
  replicaDirectories(node: string, disk: string, uuid: string): Promise<ReplicaDirectory[]>;
  /** With all that is in it; one that is gone is no error. `REFUSED`: a replica runs on it, or the disk is another one. */
  removeReplicaDirectory(node: string, disk: string, uuid: string, directory: string): Promise<void>;
  /** Ends a process that the agent of a node looks after; one that is gone is no error.
   * @param uuid only that one */
  removeInstance(node: string, name: string, uuid: string): Promise<void>;
}
