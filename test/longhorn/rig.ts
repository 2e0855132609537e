/** A controller on replicas in memory, and calls of its service. */
import { tmpdir } from "node:os";
import { pino } from "pino";
import { Controller } from "../../engine/controller/controller.js";
import type { ControllerOptions } from "../../engine/controller/options.js";
import { serveController } from "../../engine/controller/server.js";
import { ControllerService, ReplicaMode } from "../../proto/longhorn.js";
import { unaryClient, type Calls } from "../../proto/unary.js";
import { TwinReplica } from "./twin-replica.js";

export const VOLUME = "test-vol";
export const SIZE = 4 << 20;

/** Calls of these tests wait for replicas at most. */
export const CALL = { timeoutMs: 60_000 };

const MODE_NAMES = Object.fromEntries(Object.entries(ReplicaMode).map(([name, mode]) => [mode, name]));

export class Rig {
  readonly twins: TwinReplica[] = [];
  #end: (() => void)[] = [];
  address = "";
  /** of the next controller */
  runDirectory = tmpdir();
  calls!: Calls<typeof ControllerService>;

  constructor(t: { teardown: (end: () => Promise<void>) => void }) {
    t.teardown(() => this.close());
  }

  /** @param isLonghorns one of Longhorn's own */
  async addTwin(size = SIZE, isLonghorns = false): Promise<TwinReplica> {
    const twin = new TwinReplica(`r${this.twins.length + 1}`, VOLUME, size);
    twin.isLonghorns = isLonghorns;
    await twin.start();
    this.twins.push(twin);
    this.#end.push(() => twin.stop());
    return twin;
  }

  /** Serves a controller that waits for VolumeStart. */
  async serve(options: Partial<ControllerOptions> = {}): Promise<void> {
    const controller = new Controller(
      {
        volume: VOLUME,
        instanceName: "test-e-0",
        listen: { host: "127.0.0.1", port: 0 },
        size: SIZE,
        currentSize: SIZE,
        frontend: "",
        replicas: [],
        upgrade: false,
        engineId: null,
        resumeFrom: [],
        witness: null,
        takesFiles: true,
        dataSocket: null,
        disableRevisionCounter: false,
        salvageRequested: false,
        hasData: false,
        replicaTimeoutMs: 8_000,
        unmapMarkSnapChainRemoved: false,
        snapshotMaxCount: 250,
        snapshotMaxSize: 0,
        portals: [{ host: "127.0.0.1", port: 0 }],
        runDirectory: this.runDirectory,
        bootIdFile: null,
        ...options,
      },
      () => undefined,
      pino({ level: "silent" }),
    );
    const server = await serveController(controller, controller.options.listen, "0.0.0");
    const { calls, close } = unaryClient(ControllerService, server.address);
    this.address = server.address;
    this.calls = calls;
    this.#end.unshift(close, () => server.close(), () => controller.end()); // prettier-ignore
  }

  /** A started volume on `count` replicas. */
  async volume(count: number, options: Partial<ControllerOptions> = {}): Promise<void> {
    for (let i = 0; i < count; i++) await this.addTwin();
    await this.serve(options);
    await this.start();
  }

  start(size = SIZE, currentSize = SIZE) {
    const replicaAddresses = this.twins.map(({ address }) => address);
    return this.calls.volumeStart({ replicaAddresses, size, currentSize }, CALL);
  }

  async modes(): Promise<string> {
    const { replicas } = await this.calls.replicaList({}, CALL);
    return replicas.map(({ mode }) => MODE_NAMES[mode]).join(" ");
  }

  async close(): Promise<void> {
    if (this.address !== "") await this.calls.volumeShutdown({}, CALL).catch(() => undefined);
    for (const end of this.#end) end();
  }
}
