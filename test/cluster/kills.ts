/**
 * Managers, agents and a CSI driver are killed at random moments while volumes are made, attached, moved and removed, by REST and by CSI,
 * and others are written and read all the time. In the end nothing is lost, half-made, stuck or left over.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { RestError } from "../../rest-client/errors.js";
import { sleep, waitFor } from "../tools/process.js";
import { numbers } from "../tools/random.js";
import { Initiator } from "../tools/initiator/initiator.js";
import { Cluster, type ClusterNode } from "./cluster.js";
import { CsiUser } from "./csi-user.js";
import { STEP_MS } from "./limits.js";
import { patiently } from "./patiently.js";
import { Workload } from "./workload.js";

const NODES = 3;
const SIZE = 64 << 20;

/** ms between a kill and the next start, and between two kills, at most. */
const GONE_MS = 700;
const PEACE_MS = 1_500;

export class Kills {
  readonly killed = { managers: 0, agents: 0, drivers: 0 };
  /** volumes that were made, used on two nodes, and removed */
  lives = 0;
  readonly #below: (below: number) => number;
  readonly #steady: Workload[] = [];
  #over = false;

  constructor(
    private readonly cluster: Cluster,
    readonly csi: CsiUser,
    private readonly seed: number,
  ) {
    this.#below = numbers(seed);
  }

  get count(): number {
    return this.killed.managers + this.killed.agents + this.killed.drivers;
  }

  /** @throws something was lost, failed, or did not end */
  async run(kills: number): Promise<void> {
    const { client, nodes } = this.cluster;
    for (const [index, node] of nodes.entries()) {
      const name = `steady-${index + 1}`;
      await client.create("volumes", { name, size: String(SIZE), frontend: "iscsi" });
      const workload = new Workload(() => this.cluster.client, name, SIZE, this.seed + index);
      this.#steady.push(workload);
      await workload.begin(node.name);
    }
    this.csi.startDriver();
    const users = [this.#live(), this.csi.live(() => this.#over)];
    // Their ends are waited for below; until then they must not count as unhandled.
    for (const user of users) user.catch(() => undefined);
    while (this.count < kills) {
      await this.#kill();
      await sleep(this.#below(PEACE_MS));
      for (const one of this.#steady) one.check();
    }
    this.#over = true;
    for (const user of users) await user;
    for (const one of this.#steady) {
      await one.pause();
      await one.verify();
      await one.end();
    }
    await this.#nothingIsLeft();
  }

  summary(): string {
    const { managers, agents, drivers } = this.killed;
    const { lives, calls } = this.csi;
    return `${this.count} kills: ${managers} of managers, ${agents} of agents, ${drivers} of CSI drivers; ${this.lives} volumes came and went by REST, ${lives} by CSI with ${calls.answered} calls answered, ${calls.cutOff} cut off and ${calls.refused} refused; nothing was left of them`;
  }

  kill(): void {
    for (const one of this.#steady) one.kill();
  }

  async #kill(): Promise<void> {
    const { cluster } = this;
    const node = cluster.nodes[this.#below(cluster.nodes.length + 2)];
    if (node !== undefined) {
      await this.#replace(() => cluster.killAgent(node), () => cluster.startAgent(node, { rebooted: false })); // prettier-ignore
      this.killed.agents++;
    } else if (this.#below(2) === 0) {
      await this.#replace(() => cluster.killManager(), () => cluster.startManager()); // prettier-ignore
      this.killed.managers++;
    } else {
      await this.#replace(() => this.csi.killDriver(), () => this.csi.startDriver()); // prettier-ignore
      this.killed.drivers++;
    }
  }

  async #replace(kill: () => Promise<void>, start: () => Promise<void> | void): Promise<void> {
    await kill();
    await sleep(this.#below(GONE_MS));
    await start();
  }

  /** One volume after the other. */
  async #live(): Promise<void> {
    const { nodes } = this.cluster;
    const some = () => (nodes[this.#below(nodes.length)] as ClusterNode).name;
    while (!this.#over) {
      const name = `short-${this.lives + 1}`;
      await this.#patiently((client) => client.create("volumes", { name, size: String(SIZE), frontend: "iscsi" }).catch(ignoreExisting)); // prettier-ignore
      const workload = new Workload(() => this.cluster.client, name, SIZE, this.seed + this.lives);
      for (const node of [some(), some()]) {
        await workload.begin(node);
        await sleep(this.#below(300));
        await workload.end();
        await this.#untilDetached(name);
      }
      await this.#patiently((client) => client.delete("volumes", name).catch(ignoreMissing));
      await waitFor(`volume ${name} to be gone`, STEP_MS, () =>
        this.#patiently(async (client) => ((await client.get("volumes", name)) === null ? true : undefined)),
      );
      this.lives++;
    }
  }

  async #untilDetached(name: string): Promise<void> {
    await waitFor(`volume ${name} to be detached`, STEP_MS, () =>
      this.#patiently(async (client) =>
        (await client.get("volumes", name))?.state === "detached" ? true : undefined,
      ),
    );
  }

  #patiently<T>(call: (client: Cluster["client"]) => Promise<T>): Promise<T> {
    return patiently(() => this.cluster.client, call);
  }

  /** But for what belongs to the volumes that stay. */
  async #nothingIsLeft(): Promise<void> {
    const { client, nodes } = this.cluster;
    const names = new Set(this.#steady.map(({ volume }) => volume));
    for (const name of names) await this.#untilDetached(name);
    await waitFor("nothing to be left over", STEP_MS, async () => {
      const left = await this.#left(names);
      return left.length === 0 ? true : undefined;
    }).catch(async (error: unknown) => {
      throw new Error(`${(error as Error).message}: ${(await this.#left(names)).join(", ")}`, {
        cause: error,
      });
    });
    for (const name of names) await client.delete("volumes", name);
    await waitFor("the last volumes to be gone", STEP_MS, async () =>
      (await client.list("volumes")).length === 0 && nodes.every((node) => directoriesOf(node).length === 0)
        ? true
        : undefined,
    );
  }

  async #left(names: ReadonlySet<string>): Promise<string[]> {
    const { client, nodes } = this.cluster;
    const volumes = (await client.list("volumes")).map(({ name }) => name).filter((name) => !names.has(name));
    const instances = (await client.list("instancemanagers")).flatMap(
      ({ instanceEngines, instanceReplicas }) =>
        Object.keys({ ...(instanceEngines as object), ...(instanceReplicas as object) }),
    );
    const directories = nodes
      .flatMap(directoriesOf)
      .filter((directory) => ![...names].some((name) => directory.startsWith(`${name}-`)));
    return [...volumes, ...instances, ...directories];
  }
}

/** On a cluster of its own, with a CSI driver on its first node.
 * @param t ends all of it */
export async function startKills(
  t: { teardown: (end: () => Promise<void> | void) => void },
  seed: number,
): Promise<Kills> {
  const initiator = await Initiator.make();
  t.teardown(() => initiator.end());
  const cluster = await Cluster.start(t, NODES, initiator.environment());
  const [first] = cluster.nodes;
  if (first === undefined) throw new Error("no node");
  const csi = new CsiUser(cluster, first, initiator, seed);
  t.teardown(() => csi.end());
  const kills = new Kills(cluster, csi, seed);
  t.teardown(() => kills.kill());
  return kills;
}

function directoriesOf({ directory }: ClusterNode): string[] {
  return readdirSync(join(directory, "disk", "replicas"));
}

/** It was made by a manager that did not live to say so. */
function ignoreExisting(error: unknown): null {
  if (error instanceof Error && /exists/.test(error.message)) return null;
  throw error;
}

/** It was removed by one that did not live to say so. */
function ignoreMissing(error: unknown): void {
  if (!(error instanceof RestError) || error.status !== 404) throw error;
}
