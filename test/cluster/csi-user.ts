/**
 * Whoever uses volumes by a CSI driver, as Kubernetes does: makes one, mounts it on a node, writes, lets it go, has it again and removes
 * it. A call that has no answer, or an error for one, is made again. The driver may be killed at any moment.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { status } from "@grpc/grpc-js";
import { AccessModeType, Controller, Node, type VolumeCapability } from "../../proto/csi.js";
import { RpcError } from "../../proto/rpc-error.js";
import { unaryClient, type Calls } from "../../proto/unary.js";
import type { Initiator } from "../tools/initiator/initiator.js";
import { run, sleep, startDaemon, type Daemon } from "../tools/process.js";
import { numbers } from "../tools/random.js";
import type { Cluster, ClusterNode } from "./cluster.js";
import { STEP_MS } from "./limits.js";

const SIZE = 320 << 20;
const DATA_BYTES = 1 << 20;
const KINDS = ["ext4", "xfs", "block"] as const;
/** ms until a call is given up and made again: the driver's own waits end before. */
const CALL_TIMEOUT_MS = 100_000;
const AGAIN_MS = 200;

type Kind = (typeof KINDS)[number];

interface Clients {
  controller: Calls<typeof Controller>;
  node: Calls<typeof Node>;
}

export class CsiUser {
  /** volumes that were made, used twice, and removed */
  lives = 0;
  readonly calls = {
    answered: 0,
    /** the driver was killed meanwhile */
    cutOff: 0,
    /** with an error of the driver's: it is busy with the one before, or the manager was away for long */
    refused: 0,
  };
  readonly #directory = mkdtempSync(join(tmpdir(), "aurochs-csi-"));
  readonly #below: (below: number) => number;
  #driver: Daemon | null = null;

  /** @param initiator that the engines of the cluster have, too */
  constructor(
    private readonly cluster: Cluster,
    private readonly node: ClusterNode,
    private readonly initiator: Initiator,
    seed: number,
  ) {
    this.#below = numbers(seed);
  }

  startDriver(): void {
    const args = ["csi", "--endpoint", `unix://${this.#socket}`, "--node-id", this.node.name, "--manager-url", `${this.cluster.url}/v1`]; // prettier-ignore
    this.#driver = startDaemon("bin/aurochs", args, {}, join(this.cluster.directory, "csi.log"));
  }

  async killDriver(): Promise<void> {
    this.#driver?.child.kill("SIGKILL");
    await this.#driver?.ended;
  }

  /** One volume after the other.
   * @throws a call did not succeed in the end, or data were lost, or something was left */
  async live(isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      await this.#use(`csi-${this.lives + 1}`, KINDS[this.lives % KINDS.length] ?? "ext4");
      this.lives++;
    }
    const left = [...this.#mounted(), ...this.initiator.sessions(), ...this.initiator.records()];
    if (left.length > 0) throw new Error(`left over: ${left.join(", ")}`);
  }

  async #use(name: string, kind: Kind): Promise<void> {
    const volumeCapability = capabilityOf(kind);
    const options = { timeoutMs: CALL_TIMEOUT_MS };
    const staging = join(this.#directory, "staging");
    const target = join(this.#directory, "target");
    mkdirSync(staging, { recursive: true });
    const { volume } = await this.#insist(({ controller }) => controller.createVolume({ name, capacityRange: { requiredBytes: SIZE, limitBytes: 0 }, volumeCapabilities: [volumeCapability], parameters: { numberOfReplicas: "2" } }, options)); // prettier-ignore
    const volumeId = volume?.volumeId ?? "";
    const nodeId = this.node.name;
    const place = { volumeId, stagingTargetPath: staging, volumeCapability };
    const data = Buffer.alloc(DATA_BYTES, `what is in ${name} `);
    for (const isFirst of [true, false]) {
      await this.#insist(({ controller }) => controller.controllerPublishVolume({ volumeId, nodeId, volumeCapability }, options)); // prettier-ignore
      await this.#insist(({ node }) => node.nodeStageVolume(place, options));
      await this.#insist(({ node }) => node.nodePublishVolume({ ...place, targetPath: target }, options));
      const path = kind === "block" ? target : join(target, "file");
      if (isFirst) await write(path, kind, data);
      else if (!(await read(path)).equals(data)) throw new Error(`${name} (${kind}) has lost data`);
      await this.#insist(({ node }) => node.nodeUnpublishVolume({ volumeId, targetPath: target }, options));
      await this.#insist(({ node }) => node.nodeUnstageVolume(place, options));
      await this.#insist(({ controller }) => controller.controllerUnpublishVolume({ volumeId, nodeId }, options)); // prettier-ignore
      if (existsSync(target)) throw new Error(`${name}: ${target} is still there`);
    }
    await this.#insist(({ controller }) => controller.deleteVolume({ volumeId }, options));
  }

  /** As kubelet and the controllers of CSI do. One that was answered is made again at times, since answers may be lost, too. */
  async #insist<T>(work: (clients: Clients) => Promise<T>): Promise<T> {
    const deadline = Date.now() + 2 * STEP_MS;
    let isRepeated = this.#below(4) === 0;
    for (;;) {
      const controller = unaryClient(Controller, `unix:${this.#socket}`);
      const node = unaryClient(Node, `unix:${this.#socket}`);
      try {
        const reply = await work({ controller: controller.calls, node: node.calls });
        this.calls.answered++;
        if (!isRepeated) return reply;
        isRepeated = false;
      } catch (error) {
        if (!(error instanceof RpcError) || Date.now() > deadline) throw error;
        if (error.message.includes("dropped")) this.calls.cutOff++;
        else if (error.code !== status.UNAVAILABLE) this.calls.refused++;
        await sleep(AGAIN_MS);
      } finally {
        controller.close();
        node.close();
      }
    }
  }

  get #socket(): string {
    return join(this.#directory, "csi.sock");
  }

  #mounted(): string[] {
    const lines = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
    return lines.map((line) => line.split(" ")[4] ?? "").filter((path) => path.startsWith(this.#directory));
  }

  async end(): Promise<void> {
    await this.killDriver();
    for (const path of this.#mounted().reverse()) await run("umount", ["--lazy", path]);
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

function capabilityOf(kind: Kind): VolumeCapability {
  const accessMode = { mode: AccessModeType.SINGLE_NODE_WRITER };
  if (kind === "block") return { block: {}, mount: null, accessMode };
  return { block: null, mount: { fsType: kind, mountFlags: [], volumeMountGroup: "" }, accessMode };
}

async function write(path: string, kind: Kind, data: Buffer): Promise<void> {
  const file = await open(path, kind === "block" ? "r+" : "w");
  await file.write(data, 0, data.length, 0);
  await file.sync();
  await file.close();
}

async function read(path: string): Promise<Buffer> {
  const file = await open(path, "r");
  const { buffer } = await file.read(Buffer.alloc(DATA_BYTES), 0, DATA_BYTES, 0);
  await file.close();
  return buffer;
}
