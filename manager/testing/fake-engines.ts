/** Engines and nodes that are nowhere: the one boundary of the manager behind which tests have no real thing. */
import type { Resource } from "../objects/resource.js";
import {
  OperationError,
  type EngineOperations,
  type EngineSnapshot,
  type EngineTotals,
  type MachineUse,
  type NodeOperations,
  type ReplicaDirectory,
  type SnapshotHash,
  type VolumePerformance,
} from "../operations.js";
import { modify, type Store } from "../store/store.js";

type Snapshots = Record<string, EngineSnapshot>;

const HEAD = "volume-head";

export class FakeEngines implements EngineOperations, NodeOperations {
  /** operations that were asked for, and of what */
  readonly asked: string[] = [];
  /** operations that fail the next time, by their name */
  readonly failures = new Map<string, OperationError>();
  /** of snapshots, by their name and the replica's address */
  readonly checksums = new Map<string, Record<string, string>>();
  /** by "node/disk" */
  readonly directories = new Map<string, ReplicaDirectory[]>();
  /** by volume */
  readonly counted = new Map<string, EngineTotals>();
  /** why instances cannot be removed, one after the other */
  readonly removals: OperationError[] = [];
  /** copies of snapshots end when this does */
  copying: Promise<void> = Promise.resolve();
  /** how often snapshots were asked for */
  lists = 0;
  /** engines have no copy that is whole */
  isWaiting = false;
  readonly #hashed = new Set<string>();

  constructor(private readonly store: Store) {}

  async createSnapshot(
    engine: Resource<"Engine">,
    name: string,
    labels: Record<string, string>,
  ): Promise<string> {
    this.#ask("createSnapshot", engine, name);
    const made = name === "" ? "snap-made-up" : name;
    await this.#change(engine, (snapshots) => addToChain(snapshots, made, labels));
    return made;
  }

  async listSnapshots({ metadata }: Resource<"Engine">): Promise<Snapshots> {
    this.lists++;
    if (this.isWaiting) throw new OperationError("UNREACHABLE", "no copy could be asked");
    return (await this.store.get("Engine", metadata.name))?.status.snapshots ?? {};
  }

  async deleteSnapshot(engine: Resource<"Engine">, name: string): Promise<void> {
    this.#ask("deleteSnapshot", engine, name);
    await this.#change(engine, (snapshots) => {
      // A name such as "__proto__" is in every object.
      const snapshot = Object.hasOwn(snapshots, name) ? snapshots[name] : undefined;
      if (snapshot === undefined) throw new OperationError("MISSING", `snapshot ${name} is not found`);
      snapshot.removed = true;
    });
  }

  revertToSnapshot(engine: Resource<"Engine">, name: string): Promise<void> {
    this.#ask("revert", engine, name);
    return Promise.resolve();
  }

  async startPurge(engine: Resource<"Engine">): Promise<void> {
    this.#ask("purge", engine);
    await modify(this.store, "Engine", engine.metadata.name, "status", ({ status }) => {
      status.snapshots = purged(status.snapshots);
    });
  }

  performance(): Promise<VolumePerformance> {
    return Promise.resolve({ readThroughput: 1, writeThroughput: 2, readIops: 3, writeIops: 4, readLatency: 5, writeLatency: 6 }); // prettier-ignore
  }

  totals({ spec }: Resource<"Engine">): Promise<EngineTotals | null> {
    return Promise.resolve(this.counted.get(spec.volumeName) ?? null);
  }

  hashSnapshot(engine: Resource<"Engine">, name: string): Promise<void> {
    this.#ask("hash", engine, name);
    this.#hashed.add(name);
    return Promise.resolve();
  }

  snapshotHashes(engine: Resource<"Engine">, name: string): Promise<Record<string, SnapshotHash>> {
    const state = this.#hashed.has(name) ? "complete" : "";
    const checksums = this.checksums.get(name) ?? {};
    return Promise.resolve(
      Object.fromEntries(
        Object.values(engine.spec.replicaAddressMap).map((address) => [
          address,
          { state, checksum: checksums[address] ?? "0000", error: "", silentlyCorrupted: false },
        ]),
      ),
    );
  }

  async cloneSnapshot(target: Resource<"Engine">, source: Resource<"Engine">, name: string): Promise<void> {
    this.#ask("clone", source, name, "to", target.spec.volumeName);
    await this.copying;
    await this.#change(target, (snapshots) => {
      addToChain(snapshots, name, {});
      Object.assign(snapshots[name] as EngineSnapshot, { usercreated: false, created: "", parent: "" });
    });
  }

  machineUse(node: string): Promise<MachineUse> {
    if (node !== "node-1")
      return Promise.reject(new OperationError("UNREACHABLE", `node ${node} cannot be reached`));
    return Promise.resolve({
      cpuCapacity: 4000,
      cpuUsage: 250,
      memoryCapacity: 2 ** 34,
      memoryUsage: 2 ** 30,
    });
  }

  trimFilesystem(node: string, volume: string): Promise<void> {
    this.asked.push(`trim ${volume} on ${node}`);
    return Promise.resolve();
  }

  replicaDirectories(node: string, disk: string): Promise<ReplicaDirectory[]> {
    return Promise.resolve(this.directories.get(`${node}/${disk}`) ?? []);
  }

  removeReplicaDirectory(node: string, disk: string, _uuid: string, directory: string): Promise<void> {
    this.asked.push(`remove directory ${node}/${disk}/${directory}`);
    const key = `${node}/${disk}`;
    const left = this.directories.get(key)?.filter(({ name }) => name !== directory) ?? [];
    this.directories.set(key, left);
    return Promise.resolve();
  }

  removeInstance(node: string, name: string): Promise<void> {
    const failure = this.removals.shift();
    if (failure !== undefined) return Promise.reject(failure);
    this.asked.push(`remove instance ${name} on ${node}`);
    return Promise.resolve();
  }

  #ask(operation: string, { spec }: Resource<"Engine">, ...of: string[]): void {
    this.asked.push([operation, spec.volumeName, ...of].join(" "));
    const failure = this.failures.get(operation);
    this.failures.delete(operation);
    if (failure !== undefined) throw failure;
  }

  async #change(engine: Resource<"Engine">, change: (snapshots: Snapshots) => void): Promise<void> {
    await modify(this.store, "Engine", engine.metadata.name, "status", ({ status }) =>
      change(status.snapshots),
    );
  }
}

export function emptyHead(): EngineSnapshot {
  return { name: HEAD, parent: "", children: {}, labels: {}, removed: false, usercreated: false, created: "2026-01-01T00:00:00Z", size: "0" }; // prettier-ignore
}

/** What the head holds gets a name; the head is empty again. */
function addToChain(snapshots: Snapshots, name: string, labels: Record<string, string>): void {
  if (snapshots[name] !== undefined)
    throw new OperationError("REFUSED", `snapshot ${name} is already existing`);
  const head = (snapshots[HEAD] ??= emptyHead());
  const { parent } = head;
  const above = snapshots[parent];
  if (above !== undefined) above.children = { [name]: true };
  head.parent = name;
  snapshots[name] = { name, parent, children: { [HEAD]: true }, labels, removed: false, usercreated: true, created: "2026-01-01T00:00:00Z", size: "4096" }; // prettier-ignore
}

/** As replicas do: what is removed goes into its child, unless that is the head, or there are several. */
function purged(snapshots: Snapshots): Snapshots {
  const gone = new Set<string>();
  for (const snapshot of Object.values(snapshots)) {
    if (!snapshot.usercreated && snapshot.name !== HEAD) snapshot.removed = true;
    const { name, parent, removed, children } = snapshot;
    const below = Object.keys(children);
    if (!removed || below.length > 1 || below.includes(HEAD)) continue;
    const above = snapshots[parent];
    const [child = ""] = below;
    if (above !== undefined)
      above.children = Object.fromEntries(
        [...Object.keys(above.children).filter((one) => one !== name), ...below].map((one) => [one, true]),
      );
    const next = snapshots[child];
    if (next !== undefined) next.parent = parent;
    gone.add(name);
  }
  return Object.fromEntries(Object.entries(snapshots).filter(([name]) => !gone.has(name)));
}
