/** A storage system of some nodes on this machine with a CSI driver on the first, and the userspace initiator. Needs root. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AccessModeType, Controller, Identity, Node, type VolumeCapability } from "../../proto/csi.js";
import { unaryClient, type Calls } from "../../proto/unary.js";
import type { RestClient } from "../../rest-client/client.js";
import { System } from "../manager/system.js";
import { Initiator } from "../tools/initiator/initiator.js";
import { run, startDaemon, waitFor, type Daemon } from "../tools/process.js";

const TIMEOUT_MS = 120_000;

export const DRIVER = "driver.longhorn.io";
export const NODE = "node-1";

/** Of a volume with that file system, for one node. */
export function mounted(fsType: string, mountFlags: string[] = []): VolumeCapability {
  const accessMode = { mode: AccessModeType.SINGLE_NODE_WRITER };
  return { block: null, mount: { fsType, mountFlags, volumeMountGroup: "" }, accessMode };
}

/** Of a volume that is used as the device that it is. */
export function block(): VolumeCapability {
  return { block: {}, mount: null, accessMode: { mode: AccessModeType.SINGLE_NODE_WRITER } };
}

export class CsiSystem {
  #driver: Daemon | null = null;

  private constructor(
    readonly directory: string,
    readonly initiator: Initiator,
    private readonly system: System,
  ) {}

  static async start(nodes = 2): Promise<CsiSystem> {
    const initiator = await Initiator.make();
    const directory = mkdtempSync(join(tmpdir(), "aurochs-csi-"));
    const system = await System.start(nodes, initiator.environment());
    mkdirSync(join(directory, "pods"));
    return new CsiSystem(directory, initiator, system);
  }

  get manager(): RestClient {
    return this.system.manager;
  }

  get socket(): string {
    return join(this.directory, "csi.sock");
  }

  /** What the driver has said so far. */
  driverOutput(): string {
    return this.#driver?.output() ?? "";
  }

  async startDriver(): Promise<void> {
    const args = ["csi", "--endpoint", `unix://${this.socket}`, "--node-id", NODE, "--manager-url", `${this.manager.url}/v1`]; // prettier-ignore
    const driver = startDaemon("bin/aurochs", args);
    this.#driver = driver;
    const { calls, close } = unaryClient(Identity, `unix:${this.socket}`);
    await waitFor("the driver", TIMEOUT_MS, async () => {
      if (driver.child.exitCode !== null) throw new Error(driver.output());
      return calls.probe({}, { timeoutMs: 1_000 }).then(
        () => true,
        () => undefined,
      );
    });
    close();
  }

  async killDriver(): Promise<void> {
    this.#driver?.child.kill("SIGKILL");
    await this.#driver?.ended;
  }

  /** Calls to the driver that is there now. */
  clients(): { controller: Calls<typeof Controller>; node: Calls<typeof Node>; close: () => void } {
    const controller = unaryClient(Controller, `unix:${this.socket}`);
    const node = unaryClient(Node, `unix:${this.socket}`);
    const close = () => {
      controller.close();
      node.close();
    };
    return { controller: controller.calls, node: node.calls, close };
  }

  /** Paths of pods on which something is mounted. */
  mounted(): string[] {
    const lines = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
    return lines.map((line) => line.split(" ")[4] ?? "").filter((path) => path.startsWith(this.directory));
  }

  async end(): Promise<void> {
    this.#driver?.child.kill("SIGTERM");
    await this.#driver?.ended;
    for (const path of this.mounted().reverse()) await run("umount", ["--lazy", path]);
    await this.system.end();
    await this.initiator.end();
    rmSync(this.directory, { recursive: true });
  }
}
