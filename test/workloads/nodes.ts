/**
 * Two nodes, each with a replica on a disk that forgets unflushed writes at a power cut. The first one is also where the volume
 * is used: its engine and its initiator are there.
 */
import { join } from "node:path";
import { Cluster, type EngineProcess, type ReplicaNode } from "../engine/cluster.js";
import { ForgetfulDisk } from "../powercut/forgetful-disk.js";
import { isAlive, run, waitFor } from "../tools/process.js";
import { BlockDevice } from "./block-device.js";
import type { FileSystem } from "./file-system.js";

/** xfs wants 300 MiB. */
const VOLUME_SIZE = "320MiB";
const DISK_MEBIBYTES = 512;
/** Agreement, a resync, or a return from a long absence. */
const HEALTHY_TIMEOUT_MS = 120_000;
const KEEP_PERCENT_MAX = 90;

export type Random = (below: number) => number;

interface Node {
  disk: ForgetfulDisk;
  replica: ReplicaNode;
}

export class Nodes {
  private readonly nodes: Node[] = [];
  private engine: EngineProcess | undefined;
  private attached: BlockDevice | undefined;

  private constructor(private readonly cluster: Cluster) {}

  /** @param fileSystem of the replicas' disks
   * @param env for the replicas */
  static async make(fileSystem: FileSystem, env: NodeJS.ProcessEnv): Promise<Nodes> {
    const nodes = new Nodes(new Cluster(VOLUME_SIZE, env));
    try {
      for (let count = 0; count < 2; count++) {
        const disk = await ForgetfulDisk.make(fileSystem, DISK_MEBIBYTES);
        const replica = await nodes.cluster.addReplica(join(disk.mountPoint, "replica"));
        nodes.nodes.push({ disk, replica });
      }
      await nodes.startEngine();
      nodes.cluster.portal = new URL(nodes.url.replace(/^iscsi:/, "http:")).host;
      return nodes;
    } catch (error) {
      await nodes.remove();
      throw error;
    }
  }

  /** Where it is attached on the first node. */
  get device(): BlockDevice {
    if (this.attached === undefined) throw new Error("the volume is not attached");
    return this.attached;
  }

  async attach(): Promise<BlockDevice> {
    this.attached = await BlockDevice.attach(this.url);
    return this.attached;
  }

  /** Waits until both copies are current. */
  async healthy(): Promise<void> {
    let last = "";
    await waitFor("both replicas to be current", HEALTHY_TIMEOUT_MS, async () => {
      const status = await this.engine?.status().catch(() => undefined);
      last = JSON.stringify(status?.replicas);
      return status?.replicas.every(({ mode }) => mode === "RW") === true ? true : undefined;
    }).catch((error: unknown) => {
      throw new Error(`${(error as Error).message}: ${last}`, { cause: error });
    });
  }

  /** The power of nodes fails: all of them at once, in an order that is left to chance.
   * @param which of the two
   * @param die ends what runs on the first node beside engine and initiator */
  async cutPower(which: readonly number[], random: Random, die: () => Promise<void>): Promise<void> {
    const seed = 1 + random(2 ** 31);
    const ends: Promise<unknown>[] = [];
    const steps: (() => void)[] = which.flatMap((index) => {
      const { disk, replica } = this.node(index);
      const cut = {
        seed: seed + index,
        keep: random(KEEP_PERCENT_MAX),
        granule: random(2) === 0 ? 512 : 4096,
      } as const;
      return [() => disk.cutPower(cut), () => ends.push(this.cluster.kill(replica.process))];
    });
    if (which.includes(0)) {
      steps.push(
        () => ends.push(die()),
        () => this.killInitiator(),
        () => ends.push(this.killEngine()),
      );
    }
    while (steps.length > 0) for (const step of steps.splice(random(steps.length), 1)) step();
    await Promise.all(ends);
  }

  /** Power returns. What was mounted on the first node has to be unmounted before, if that one was cut. */
  async restorePower(which: readonly number[]): Promise<void> {
    if (which.includes(0)) {
      await this.attached?.remove();
      this.attached = undefined;
    }
    await Promise.all(
      which.map(async (index) => {
        const { disk, replica } = this.node(index);
        await disk.powerOff();
        await disk.powerOn();
        this.cluster.reboot(replica);
        this.cluster.restart(replica);
      }),
    );
    if (which.includes(0)) {
      this.cluster.rebootEngine();
      await this.startEngine();
    }
  }

  /** What is under way on the device fails, so that it can be unmounted. */
  killInitiator(): void {
    this.attached?.kill();
  }

  async startEngine(): Promise<void> {
    this.engine = await this.cluster.startEngine();
    this.engine.url(); // or what the processes said
  }

  async killEngine(): Promise<void> {
    if (this.engine !== undefined) await this.cluster.kill(this.engine.process);
  }

  async killReplica(index: number): Promise<void> {
    await this.cluster.kill(this.node(index).replica.process);
  }

  /** Starts it again on the same boot. */
  startReplica(index: number): void {
    this.cluster.restart(this.node(index).replica);
  }

  /** Makes durable what the replicas have written so far. */
  async syncDisks(): Promise<void> {
    for (const { disk } of this.nodes) await run("sync", ["--file-system", disk.mountPoint]);
  }

  /** SIGSTOP or SIGCONT */
  signal(process: "engine" | number, signal: NodeJS.Signals): void {
    const daemon = process === "engine" ? this.engine?.process : this.node(process).replica.process;
    daemon?.child.kill(signal);
  }

  /** What the processes said, as far as they live. */
  output(): string {
    const daemons = [this.engine?.process, ...this.nodes.map(({ replica }) => replica.process)];
    return daemons
      .map(
        (daemon) =>
          `${daemon?.pid} (${daemon !== undefined && isAlive(daemon.pid) ? "alive" : "ended"}): ${daemon?.output()}`,
      )
      .join("\n");
  }

  /** Ends everything and removes all data; what was mounted has to be unmounted. */
  async remove(): Promise<void> {
    this.killInitiator();
    await this.attached?.remove();
    await this.cluster.end();
    for (const { disk } of this.nodes) await disk.remove();
    this.cluster.remove();
  }

  private get url(): string {
    return this.engine?.url() ?? "";
  }

  private node(index: number): Node {
    const node = this.nodes[index];
    if (node === undefined) throw new Error(`there is no node ${index}`);
    return node;
  }
}
