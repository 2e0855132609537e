/**
 * The days that a small cluster has, one after the other, under load: each node is drained, restarted and comes back, one is
 * unplugged, one's disk is full. Nobody who uses a volume on a node that stays may notice, and all is well again by itself.
 */
import type { ItemOf } from "../../rest-client/resources.js";
import { sleep, waitFor } from "../tools/process.js";
import { Cluster, type ClusterNode } from "./cluster.js";
import { GIB, REBOOT_MS, REPLENISH_S, STEP_MS } from "./limits.js";
import { Workload } from "./workload.js";

export interface Step {
  name: string;
  /** from the event until all volumes were healthy again */
  seconds: number;
  /** to and from all nodes in that time */
  bytes: number;
  operations: number;
  /** ms, of operations on nodes that stayed */
  slowest: number;
}

export class Drill {
  readonly steps: Step[] = [];
  readonly workloads: Workload[] = [];
  /** name of the node that is unplugged; "": none */
  #away = "";

  /** @param sizes of volumes, GiB */
  constructor(
    private readonly cluster: Cluster,
    private readonly sizes: readonly number[],
    private readonly seed: number,
    private readonly say: (line: string) => void,
  ) {}

  /** Makes the volumes, and begins to use them: round robin over the nodes. */
  async begin(): Promise<void> {
    const { client, nodes } = this.cluster;
    await client.update("settings", "replica-replenishment-wait-interval", { value: String(REPLENISH_S) });
    for (const [index, size] of this.sizes.entries()) {
      const name = `vol-${index + 1}`;
      await client.create("volumes", { name, size: String(size * GIB), frontend: "iscsi" });
      this.workloads.push(new Workload(() => client, name, size * GIB, this.seed + index));
    }
    await this.step("made and attached", [], async () => {
      await Promise.all(
        this.workloads.map((one, index) => one.begin(nodes[index % nodes.length]?.name ?? "")),
      );
    });
  }

  /** All move away, the node is off for a while, and comes back. */
  async restart(node: ClusterNode): Promise<void> {
    await this.step(`${node.name} drained, restarted`, [], async () => {
      await this.#schedule(node, false);
      const others = this.cluster.nodes.filter(({ name }) => name !== node.name);
      const moved = this.workloads.filter((one) => one.node === node.name);
      for (const [index, one] of moved.entries()) {
        await one.end();
        await one.begin(others[index % others.length]?.name ?? "");
      }
      await this.cluster.powerOff(node);
      await sleep(REBOOT_MS);
      await this.cluster.powerOn(node);
      await this.cluster.untilReady(this.cluster.nodes.length);
      await this.#schedule(node, true);
    });
  }

  /** Without a warning; whoever worked there is started elsewhere. Copies are made elsewhere, too. */
  async unplug(node: ClusterNode): Promise<void> {
    const dead = this.workloads.filter((one) => one.node === node.name);
    await this.step(`${node.name} unplugged`, dead, async () => {
      this.#away = node.name;
      await this.cluster.plug(node, false);
      await this.cluster.untilReady(this.cluster.nodes.length - 1);
      const others = this.cluster.nodes.filter(({ name }) => name !== node.name);
      for (const [index, one] of dead.entries()) {
        await one.abandon();
        await one.begin(others[index % others.length]?.name ?? "");
      }
    });
    await this.step(`${node.name} plugged in again`, [], async () => {
      this.#away = "";
      await this.cluster.plug(node, true);
      await this.cluster.untilReady(this.cluster.nodes.length);
    });
  }

  async fillDisk(node: ClusterNode): Promise<void> {
    await this.step(`${node.name}'s disk full, and emptied`, [], async () => {
      const empty = await this.cluster.fillDisk(node);
      // Until its replicas have noticed, or it holds none that is written.
      const concerned = (await this.#volumes()).some(({ replicas }) => replicas.some((one) => one.hostId === node.name)); // prettier-ignore
      if (concerned)
        await waitFor(`a replica on ${node.name} to fail`, STEP_MS, async () => {
          const isFailed = (await this.#volumes()).some(({ replicas }) =>
            replicas.some((one) => one.hostId === node.name && one.mode !== "RW"),
          );
          if (isFailed) return true;
          // What was given up before may still be on its way out, and make room.
          await this.cluster.fillDisk(node);
          return undefined;
        });
      empty();
    });
  }

  /** Ends, and gives all volumes back. */
  async end(): Promise<void> {
    for (const one of this.workloads) {
      await one.pause();
      await one.verify();
      await one.end();
    }
  }

  /** Does something, and waits until all is well.
   * @param dead workloads whose operations do not count: their node is gone */
  async step(name: string, dead: readonly Workload[], work: () => Promise<void>): Promise<void> {
    const { nodes } = this.cluster;
    const traffic = () => nodes.reduce((sum, node) => sum + this.cluster.traffic(node), 0);
    const operations = () => this.workloads.reduce((sum, one) => sum + one.operations, 0);
    const [bytes, count, began] = [traffic(), operations(), Date.now()];
    for (const one of this.workloads) one.slowest = 0;
    await work();
    // What is under way when a copy is lost is answered once it is recorded as lost.
    await this.#verify();
    await waitFor(`all volumes to be healthy after: ${name}`, STEP_MS, () => this.#allWell()).catch(
      async (error: unknown) => {
        const how = (await this.#volumes()).map((volume) => `${volume.name}: ${describe(volume)}`);
        throw new Error(`${(error as Error).message}\n${how.join("\n")}`, { cause: error });
      },
    );
    const slowest = Math.max(0, ...this.workloads.filter((one) => !dead.includes(one)).map((one) => one.slowest)); // prettier-ignore
    const done = {
      ...{ name, seconds: (Date.now() - began) / 1000, bytes: traffic() - bytes },
      ...{ operations: operations() - count, slowest },
    };
    this.steps.push(done);
    this.say(`${name}: ${done.seconds.toFixed(1)} s, ${(done.bytes / 1e6).toFixed(1)} MB, ${done.operations} operations, slowest ${slowest.toFixed(0)} ms`); // prettier-ignore
    await this.#verify();
  }

  async #verify(): Promise<void> {
    for (const one of this.workloads) {
      await one.pause();
      await one.verify();
      one.resume();
    }
  }

  /** Also where something went wrong. */
  kill(): void {
    for (const one of this.workloads) one.kill();
  }

  /** Copies of each volume are whole, as many as wanted, on different nodes, and no others are left; with a witness any node may go. */
  async #allWell(): Promise<true | undefined> {
    for (const one of this.workloads) one.check();
    const well = (await this.#volumes()).every(
      ({ state, robustness, conditions, replicas, numberOfReplicas }) => {
        // What is on a node that is away, or was, is kept for a while although others are there.
        const kept = replicas.filter(
          ({ hostId, failedAt, running }) => hostId !== this.#away && (failedAt === "" || running),
        );
        const hosts = new Set(kept.map(({ hostId }) => hostId));
        const whole = kept.every(({ mode }) => mode === "RW");
        const counted = kept.length === numberOfReplicas && hosts.size === kept.length;
        // One whose node is away comes back with it.
        const witnessed = this.#away !== "" || conditions["Witnessed"]?.status === "True";
        return state === "attached" && robustness === "healthy" && whole && counted && witnessed;
      },
    );
    return well ? true : undefined;
  }

  async #volumes(): Promise<ItemOf<"volumes">[]> {
    return this.cluster.client.list("volumes");
  }

  async #schedule({ name }: ClusterNode, allowScheduling: boolean): Promise<void> {
    const node = await this.cluster.client.get("nodes", name);
    if (node === null) throw new Error(`there is no node ${name}`);
    await this.cluster.client.update("nodes", name, { ...node, allowScheduling });
  }
}

export function describe({
  state,
  robustness,
  conditions,
  replicas,
  controllers,
}: ItemOf<"volumes">): string {
  const copies = replicas.map((one) => `${one.name} on ${one.hostId} ${one.mode || "-"}${one.running ? "" : " stopped"} ${one.failedAt}`); // prettier-ignore
  const witness = conditions["Witnessed"]?.message ?? "no witness";
  return `${state} ${robustness} (${witness}) at ${(controllers ?? []).map(({ hostId }) => hostId).join()}; ${copies.join("; ")}`;
}
