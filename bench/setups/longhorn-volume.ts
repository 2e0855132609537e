/** Two replicas and an engine as Longhorn's own tools start them. */
import { mkdir, rm } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { freePorts } from "../../cli/free-ports.js";
import { purgeSnapshots, purgeStatus, removeSnapshot } from "../../engine/client/snapshots.js";
import { VolumeClient } from "../../engine/client/volume.js";
import { EngineWatch } from "../../proto/engine-watch.js";
import { ReplicaService } from "../../proto/longhorn.js";
import { unaryClient } from "../../proto/unary.js";
import { Service } from "../child.js";
import { SCENARIO_WAIT_MS_MAX } from "../limits.js";
import type { NamedProcess } from "../load.js";
import { waitFor } from "./wait.js";

const longhorn = fileURLToPath(new URL("../../../bin/longhorn", import.meta.url));
const NAME = "bench";
const REPLICAS = 2;
const HOST = "127.0.0.1";

/** Control, data, sync agent and its receivers. */
const PORTS_PER_REPLICA = 13;

/** ms for one call of a replica. */
const CALL = { timeoutMs: 60_000 };

const POLL_MS = 50;

export class LonghornVolume {
  private constructor(
    private readonly directory: string,
    private readonly replicas: Service[],
    private readonly engine: Service,
    private readonly client: VolumeClient,
    private readonly control: string,
    readonly access: { iscsi: string },
  ) {}

  /** Resolves when initiators can log in. @param size bytes */
  static async start(directory: string, size: number, signal: AbortSignal): Promise<LonghornVolume> {
    const [port = 0, ...replicaPorts] = await freePorts([], 1 + REPLICAS, PORTS_PER_REPLICA);
    const replicas: Service[] = [];
    for (const [index, replicaPort] of replicaPorts.entries()) {
      const place = `${directory}/replica-${index + 1}`;
      await mkdir(place, { recursive: true });
      const listen = ["--listen", `${HOST}:${replicaPort}`, "--size", String(size)];
      replicas.push(
        Service.start(longhorn, ["--volume-name", NAME, "replica", ...listen, "--disableRevCounter", place]),
      );
    }
    for (const [index, replica] of replicas.entries())
      await answers(replica, replicaPorts[index] ?? 0, signal);
    const engine = Service.start(longhorn, [
      ...[
        "controller",
        "--listen",
        `${HOST}:${port}`,
        "--size",
        String(size),
        "--current-size",
        String(size),
      ],
      ...["--frontend", "tgt-iscsi", "--portal", `${HOST}:${port + 1}`, "--disableRevCounter"],
      ...replicaPorts.flatMap((replicaPort) => ["--replica", `tcp://${HOST}:${replicaPort}`]),
      NAME,
    ]);
    const control = `${HOST}:${port}`;
    const client = new VolumeClient(control, { volumeName: NAME, engineInstanceName: "" });
    const iscsi = `iscsi://${HOST}:${port + 1}/iqn.2019-10.io.longhorn:${NAME}/1`;
    const volume = new LonghornVolume(directory, replicas, engine, client, control, { iscsi });
    try {
      await waitFor("longhorn controller", signal, async () => {
        engine.assertRunning();
        const answer = await client.get().catch(() => undefined);
        return answer?.frontendState === "up" ? answer : undefined;
      });
      return volume;
    } catch (error) {
      await volume.stop();
      throw error;
    }
  }

  get processes(): NamedProcess[] {
    return [
      { name: "engine", pid: this.engine.pid },
      ...this.replicas.map(({ pid }, index) => ({ name: `replica-${index + 1}`, pid })),
    ];
  }

  async snapshot(name: string): Promise<void> {
    await this.client.engine.call("failed to take a snapshot", (calls, options) =>
      calls.volumeSnapshot({ name, labels: {}, freezeFilesystem: false }, options),
    );
  }

  /** Marks snapshots as removed and purges: resolves when they are gone. */
  async remove(names: readonly string[], signal: AbortSignal): Promise<void> {
    for (const name of names) await removeSnapshot(this.client, name);
    const [failure] = await purgeSnapshots(this.client, false);
    if (failure !== undefined) throw failure;
    for (const { address } of await this.client.replicas()) {
      await until(`the purge of ${address}`, signal, async () => {
        const { isPurging, error } = await purgeStatus(this.client, address);
        if (error !== "") throw new Error(error);
        return !isPurging;
      });
    }
  }

  /** Resolves when initiators see the new size. @param size bytes */
  async expand(size: number, signal: AbortSignal): Promise<void> {
    await this.client.engine.call("failed to expand the volume", (calls, options) =>
      calls.volumeExpand({ size }, options),
    );
    await until("the expansion", signal, async () => {
      const { isExpanding, lastExpansionError } = await this.client.get();
      if (lastExpansionError !== "") throw new Error(lastExpansionError);
      return !isExpanding;
    });
  }

  /** @returns ms that it has held I/O for changes of all replicas, in all */
  async held(): Promise<number> {
    const { calls, close } = unaryClient(EngineWatch, this.control);
    const { totals } = await calls.totals({}, CALL).finally(close);
    return (totals?.heldMicros ?? 0) / 1000;
  }

  /** Ends all processes and removes the data. Idempotent. */
  async stop(): Promise<void> {
    this.client.close();
    for (const service of [this.engine, ...this.replicas]) await service.stop();
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** Waits until a replica can be used. */
async function answers(replica: Service, port: number, signal: AbortSignal): Promise<void> {
  const { calls, close } = unaryClient(ReplicaService, `${HOST}:${port}`);
  await waitFor("longhorn replica", signal, () => {
    replica.assertRunning();
    return calls.replicaGet({}, CALL).catch(() => undefined);
  }).finally(close);
}

async function until(what: string, signal: AbortSignal, isDone: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + SCENARIO_WAIT_MS_MAX;
  while (!(await isDone())) {
    signal.throwIfAborted();
    if (Date.now() > end) throw new Error(`${what} has not come to its end`);
    await sleep(POLL_MS);
  }
}
