/** An engine with `--enable-backend file`, as Longhorn's suite starts it, and calls of its service. */
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "../../cli/free-ports.js";
import { ControllerService, ReplicaMode } from "../../proto/longhorn.js";
import { unaryClient, type Calls } from "../../proto/unary.js";
import { startDaemon, waitFor, type Daemon } from "../tools/process.js";

const VOLUME = "test-vol";
const INSTANCE = "test-e-0";

/** bytes of a volume, and of a file */
export const SIZE = 4 << 20;

export const CALL = { timeoutMs: 60_000 };
export const FILES = ["--enable-backend", "file"];
export const SERVED = { frontend: "tgt-iscsi" };

interface Test {
  teardown: (end: () => unknown) => void;
}

export class FileEngine {
  readonly directory = mkdtempSync(join(tmpdir(), "aurochs-test-"));
  calls!: Calls<typeof ControllerService>;
  process!: Daemon;
  url = "";
  iscsi = "";
  #files = 0;

  /** @param flags besides those of Longhorn's suite */
  static async start(t: Test, flags = FILES): Promise<FileEngine> {
    const engine = new FileEngine();
    t.teardown(async () => {
      engine.process.child.kill("SIGKILL");
      await engine.process.ended;
      rmSync(engine.directory, { recursive: true });
    });
    await engine.run(t, flags);
    return engine;
  }

  async run(t: Test, flags: string[]): Promise<void> {
    const [port = 0, portal = 0] = await freePorts([], 2, 1);
    this.url = `127.0.0.1:${port}`;
    this.iscsi = `iscsi://127.0.0.1:${portal}/iqn.2019-10.io.longhorn:${VOLUME}/1`;
    this.process = startDaemon("bin/longhorn", [
      ...["--engine-instance-name", INSTANCE, "controller", VOLUME, "--enable-backend", "tcp"],
      ...["--size", String(SIZE), "--current-size", String(SIZE), "--listen", this.url],
      ...["--portal", `127.0.0.1:${portal}`, ...flags],
    ]);
    const { calls, close } = unaryClient(ControllerService, this.url, {
      volumeName: VOLUME,
      instanceName: INSTANCE,
    });
    t.teardown(close);
    this.calls = calls;
    await waitFor("the engine to serve", CALL.timeoutMs, () =>
      calls.volumeGet({}, CALL).catch(() => undefined),
    );
  }

  /** @returns path of a new file without data */
  file(size = SIZE): string {
    const path = join(this.directory, `file-${++this.#files}`);
    writeFileSync(path, "");
    truncateSync(path, size);
    return path;
  }

  create(path: string) {
    const request = { address: `file://${path}`, snapshotRequired: true, mode: ReplicaMode.WO };
    return this.calls.controllerReplicaCreate(request, CALL);
  }

  update(path: string) {
    const address = { address: `file://${path}`, instanceName: "" };
    return this.calls.replicaUpdate({ address, mode: ReplicaMode.RW }, CALL);
  }

  delete(path: string) {
    return this.calls.replicaDelete({ address: `file://${path}` }, CALL);
  }

  volumeStart(paths: readonly string[]) {
    const replicaAddresses = paths.map((path) => `file://${path}`);
    return this.calls.volumeStart({ replicaAddresses, size: SIZE, currentSize: SIZE }, CALL);
  }

  /** Paths and modes, in order. */
  async list(): Promise<[string, number][]> {
    const { replicas } = await this.calls.replicaList({}, CALL);
    return replicas.map(({ address, mode }) => [(address?.address ?? "").slice("file://".length), mode]);
  }

  /** Made equal first, those after the first. */
  allRw(): Promise<true> {
    return waitFor("all copies to be read", CALL.timeoutMs, async () =>
      (await this.list()).every(([, mode]) => mode === ReplicaMode.RW) ? true : undefined,
    );
  }
}
