/** What the API asks of engines and nodes, by way of their agents. */
import { status } from "@grpc/grpc-js";
import { DataEngine, type DiskStatus } from "../../proto/instance-manager.js";
import { RpcError } from "../../proto/rpc-error.js";
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
import { loadSettings } from "../settings/stored.js";
import { areKnown } from "../snapshot/decide.js";
import type { Store } from "../store/store.js";
import type { AgentCalls } from "./agent.js";
import type { Agents } from "./agents.js";
import { engineAddress, EngineCaller, operationError } from "./engine-caller.js";

import { addressOf } from "./engine-status.js";
import { CALL_TIMEOUT_MS, ENGINE_CALL_TIMEOUT_MS, TOTALS_TIMEOUT_MS, TRIM_TIMEOUT_MS } from "./limits.js";
import { isOn } from "../volume/engine-wishes.js";

const CALL = { timeoutMs: ENGINE_CALL_TIMEOUT_MS };
const NODE_CALL = { timeoutMs: CALL_TIMEOUT_MS };
const SECOND_MS = 1_000;

type Engine = Resource<"Engine">;

export class AgentOperations implements EngineOperations, NodeOperations {
  readonly #caller: EngineCaller;

  constructor(
    private readonly store: Store,
    private readonly agents: Agents,
  ) {
    this.#caller = new EngineCaller(agents);
  }

  async createSnapshot(engine: Engine, name: string, labels: Record<string, string>): Promise<string> {
    const volume = await this.store.get("Volume", engine.spec.volumeName);
    const settings = await loadSettings(this.store);
    const freezeFilesystem = isOn(
      volume?.spec.freezeFilesystemForSnapshot ?? "ignored",
      settings.flag("freeze-filesystem-for-snapshot"),
    );
    const { snapshot } = await this.#caller.call(engine, (proxy, proxyEngineRequest) =>
      proxy.volumeSnapshot({ proxyEngineRequest, snapshotVolume: { name, labels, freezeFilesystem } }, CALL),
    );
    return snapshot?.name ?? name;
  }

  async listSnapshots(engine: Engine): Promise<Record<string, EngineSnapshot>> {
    const { disks } = await this.#caller.call(engine, (proxy, request) => proxy.snapshotList(request, CALL));
    // None would be taken for one that is gone, and be removed when it is back.
    if (!areKnown(disks)) throw new OperationError("UNREACHABLE", `volume ${engine.spec.volumeName} has no copy that could be asked for its snapshots`); // prettier-ignore
    return Object.fromEntries(
      Object.entries(disks).map(([name, { userCreated, ...disk }]) => [
        name,
        { ...disk, usercreated: userCreated },
      ]),
    );
  }

  async deleteSnapshot(engine: Engine, name: string): Promise<void> {
    await this.#caller.call(engine, (proxy, proxyEngineRequest) =>
      proxy.snapshotRemove({ proxyEngineRequest, names: [name] }, CALL),
    );
  }

  async revertToSnapshot(engine: Engine, name: string): Promise<void> {
    await this.#caller.call(engine, (proxy, proxyEngineRequest) =>
      proxy.snapshotRevert({ proxyEngineRequest, name }, CALL),
    );
  }

  async startPurge(engine: Engine): Promise<void> {
    await this.#caller.call(engine, (proxy, proxyEngineRequest) =>
      proxy.snapshotPurge({ proxyEngineRequest, skipIfInProgress: true }, CALL),
    );
  }

  async performance(engine: Engine): Promise<VolumePerformance> {
    const { metrics } = await this.#caller.call(engine, (proxy, request) => proxy.metricsGet(request, CALL));
    return {
      readThroughput: metrics?.readThroughput ?? 0,
      writeThroughput: metrics?.writeThroughput ?? 0,
      readIops: metrics?.readIOPS ?? 0,
      writeIops: metrics?.writeIOPS ?? 0,
      readLatency: metrics?.readLatency ?? 0,
      writeLatency: metrics?.writeLatency ?? 0,
    };
  }

  async totals({ metadata, spec }: Engine): Promise<EngineTotals | null> {
    const { totals } = await this.#onNode(spec.nodeID, (calls) =>
      calls.node.engineTotals({ name: metadata.name }, { timeoutMs: TOTALS_TIMEOUT_MS }),
    );
    return totals;
  }

  async hashSnapshot(engine: Engine, snapshotName: string, rehash: boolean): Promise<void> {
    await this.#caller.call(engine, (proxy, proxyEngineRequest) =>
      proxy.snapshotHash({ proxyEngineRequest, snapshotName, rehash }, CALL),
    );
  }

  async snapshotHashes(engine: Engine, snapshotName: string): Promise<Record<string, SnapshotHash>> {
    const { status } = await this.#caller.call(engine, (proxy, proxyEngineRequest) =>
      proxy.snapshotHashStatus({ proxyEngineRequest, snapshotName }, CALL),
    );
    return Object.fromEntries(
      Object.entries(status).map(([url, { state, checksum, error, silentlyCorrupted }]) => [
        addressOf(url),
        { state, checksum, error, silentlyCorrupted },
      ]),
    );
  }

  async cloneSnapshot(target: Engine, source: Engine, snapshotName: string): Promise<void> {
    const settings = await loadSettings(this.store);
    const seconds = settings.number("long-grpc-timeout");
    await this.#caller.call(target, (proxy, proxyEngineRequest) =>
      proxy.snapshotClone(
        {
          ...{ proxyEngineRequest, snapshotName, fromEngineAddress: engineAddress(source) },
          ...{ fromEngineName: source.metadata.name, fromVolumeName: source.spec.volumeName },
          fileSyncHttpClientTimeout: settings.number("replica-file-sync-http-client-timeout"),
          ...{ exportBackingImageIfExist: false, grpcTimeoutSeconds: seconds },
        },
        { timeoutMs: seconds * SECOND_MS },
      ),
    );
  }

  // -------------------------------------------------------------------------------------------- nodes

  machineUse(node: string): Promise<MachineUse> {
    return this.#onNode(node, (calls) => calls.node.machineUse({}, { timeoutMs: TOTALS_TIMEOUT_MS }));
  }

  async trimFilesystem(node: string, volume: string): Promise<void> {
    const encrypted = (await this.store.get("Volume", volume))?.spec.encrypted ?? false;
    await this.#onNode(node, (calls) =>
      calls.node.filesystemTrim({ volume, encrypted }, { timeoutMs: TRIM_TIMEOUT_MS }),
    );
  }

  async replicaDirectories(node: string, name: string, uuid: string): Promise<ReplicaDirectory[]> {
    return this.#onNode(node, async (calls) => {
      const { disk, replicas } = await calls.node.diskScan({ name }, NODE_CALL);
      checkDisk(disk, name, uuid);
      return replicas.map((one) => ({ name: one.name, hosted: one.hosted, size: one.size }));
    });
  }

  async removeReplicaDirectory(node: string, disk: string, uuid: string, name: string): Promise<void> {
    await this.#onNode(node, async (calls) => {
      checkDisk((await calls.node.diskScan({ name: disk }, NODE_CALL)).disk, disk, uuid);
      await calls.node.replicaDirectoryRemove({ disk, name }, NODE_CALL);
    });
  }

  async removeInstance(node: string, name: string, uuid: string): Promise<void> {
    await this.#onNode(node, (calls) =>
      calls.instances
        .instanceDelete({ name, uuid, dataEngine: DataEngine.DATA_ENGINE_V1 }, NODE_CALL)
        .catch((error: unknown) => {
          if (!(error instanceof RpcError) || error.code !== status.NOT_FOUND) throw error;
        }),
    );
  }

  async #onNode<T>(node: string, use: (calls: AgentCalls) => Promise<T>): Promise<T> {
    const calls = this.agents.get(node)?.calls ?? null;
    if (calls === null) throw new OperationError("UNREACHABLE", `node ${node} cannot be reached`);
    try {
      return await use(calls);
    } catch (error) {
      throw error instanceof OperationError ? error : operationError(error);
    }
  }
}

function checkDisk(disk: DiskStatus | null, name: string, uuid: string): void {
  if (disk?.ready === true && disk.uuid === uuid) return;
  const is = disk?.ready === true ? `it is ${disk.uuid}` : (disk?.message ?? "it is not known");
  throw new OperationError("REFUSED", `disk ${name} is not ${uuid} now: ${is}`);
}
