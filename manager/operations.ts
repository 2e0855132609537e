/**
 * What the manager asks of running engines and of nodes. Who carries it out speaks with the nodes' agents; nothing above knows
 * how.
 */
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

/** All of them take engines that run, end by themselves within some seconds, and throw OperationError. */
export interface EngineOperations {
  /** What the head holds is kept under a name from now on.
   * @param name "": one is made up
   * @returns its name */
  createSnapshot(engine: Resource<"Engine">, name: string, labels: Record<string, string>): Promise<string>;
  /** With `volume-head`, by name. */
  listSnapshots(engine: Resource<"Engine">): Promise<Record<string, EngineSnapshot>>;
  /** It is marked; a purge takes it away. */
  deleteSnapshot(engine: Resource<"Engine">, name: string): Promise<void>;
  /** The volume holds what it held then. Nobody may use it meanwhile. */
  revertToSnapshot(engine: Resource<"Engine">, name: string): Promise<void>;
  /** Begins to take away marked snapshots; the engine's status tells how far it is. */
  startPurge(engine: Resource<"Engine">): Promise<void>;
  performance(engine: Resource<"Engine">): Promise<VolumePerformance>;
}

export interface NodeOperations {
  /** Tells the volume which blocks its mounted file system does not use.
   * @param node where it is mounted */
  trimFilesystem(node: string, volume: string): Promise<void>;
}
