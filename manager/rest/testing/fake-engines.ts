/** Engines that run nowhere: the one boundary of the API behind which tests have no real thing. */
import type { Resource } from "../../objects/resource.js";
import {
  OperationError,
  type EngineOperations,
  type EngineSnapshot,
  type NodeOperations,
  type VolumePerformance,
} from "../../operations.js";
import { modify, type Store } from "../../store/store.js";

export class FakeEngines implements EngineOperations, NodeOperations {
  /** names of the operations that were asked for, and of what */
  readonly asked: string[] = [];

  constructor(private readonly store: Store) {}

  async createSnapshot(
    engine: Resource<"Engine">,
    name: string,
    labels: Record<string, string>,
  ): Promise<string> {
    const made = name === "" ? "snap-made-up" : name;
    await this.#change(engine, (snapshots) => {
      const parent = Object.keys(snapshots).findLast((one) => one !== "volume-head") ?? "";
      snapshots[made] = { name: made, parent, children: { "volume-head": true }, labels, removed: false, usercreated: true, created: "2026-01-01T00:00:00Z", size: "4096" }; // prettier-ignore
    });
    return made;
  }

  async listSnapshots({ metadata }: Resource<"Engine">): Promise<Record<string, EngineSnapshot>> {
    return (await this.store.get("Engine", metadata.name))?.status.snapshots ?? {};
  }

  async deleteSnapshot(engine: Resource<"Engine">, name: string): Promise<void> {
    await this.#change(engine, (snapshots) => {
      const snapshot = snapshots[name];
      if (snapshot === undefined) throw new OperationError("MISSING", `snapshot ${name} is not found`);
      snapshot.removed = true;
    });
  }

  revertToSnapshot(engine: Resource<"Engine">, name: string): Promise<void> {
    this.asked.push(`revert ${engine.spec.volumeName} ${name}`);
    return Promise.resolve();
  }

  startPurge(engine: Resource<"Engine">): Promise<void> {
    this.asked.push(`purge ${engine.spec.volumeName}`);
    return Promise.resolve();
  }

  performance(): Promise<VolumePerformance> {
    return Promise.resolve({ readThroughput: 1, writeThroughput: 2, readIops: 3, writeIops: 4, readLatency: 5, writeLatency: 6 }); // prettier-ignore
  }

  trimFilesystem(node: string, volume: string): Promise<void> {
    this.asked.push(`trim ${volume} on ${node}`);
    return Promise.resolve();
  }

  async #change(
    engine: Resource<"Engine">,
    change: (snapshots: Record<string, EngineSnapshot>) => void,
  ): Promise<void> {
    await modify(this.store, "Engine", engine.metadata.name, "status", ({ status }) =>
      change(status.snapshots),
    );
  }
}
