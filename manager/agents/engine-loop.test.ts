import { status } from "@grpc/grpc-js";
import { pino } from "pino";
import t, { type Test } from "tap";
import { ReplicaMode } from "../../proto/longhorn.js";
import { RpcError } from "../../proto/rpc-error.js";
import type { Events, NewEvent } from "../events/events.js";
import type { Resource } from "../objects/resource.js";
import { SqliteStore } from "../store/sqlite-store.js";
import { modify } from "../store/store.js";
import type { Agent } from "./agent.js";
import type { AgentListener, Agents } from "./agents.js";
import { startEngineLoop } from "./engine-loop.js";
import { ADD_TRIES_MAX, COMMAND_RETRY_MS, EXPANSION_REPORT_MS } from "./limits.js";

/** An engine with one copy, "v-r-a" at a:1, that is to have others; it takes none. */
class Rig {
  readonly store = SqliteStore.open(":memory:");
  /** of attempts that failed, names of their replicas */
  readonly #failed: string[] = [];
  /** `REASON MESSAGE` of all events */
  readonly events: string[] = [];
  /** sizes that the engine was told to grow to */
  readonly expansions: number[] = [];
  readonly #report = {
    name: "v-e-0",
    uuid: "u-e",
    replicas: [{ address: { address: "tcp://a:1" }, mode: ReplicaMode.RW }],
    volume: null as object | null,
    ...{ witness: null, snapshots: {}, rebuilds: {}, purges: {}, clones: {}, error: "" },
  };
  readonly #agent = {
    ...{ node: "node-1", address: { host: "10.0.0.1", port: 1 }, facts: null, isDown: false },
    instances: new Map([
      ["v-e-0", { status: { state: "running", uuid: "u-e", portStart: 1000, conditions: {} } }],
    ]),
    engines: new Map([["v-e-0", this.#report]]),
    calls: {
      proxy: {
        replicaAdd: () => Promise.reject(new RpcError(status.UNKNOWN, "too many snapshots")),
        volumeExpand: ({ expand }: { expand: { size: number } }) => {
          this.expansions.push(expand.size);
          return new Promise((resolve) => setImmediate(() => resolve({})));
        },
      },
    },
  } as unknown as Agent;
  #now = Date.parse("2030-01-01T00:00:00Z");
  #listener: AgentListener = () => undefined;

  static async start(t: Test): Promise<Rig> {
    const rig = new Rig();
    t.intercept(Date, "now", { value: () => rig.#now });
    const { store } = rig;
    await store.create({
      ...{ kind: "Engine", name: "v-e-0" },
      spec: { nodeID: "node-1", volumeName: "v", desireState: "running", replicaAddressMap: { "v-r-a": "a:1" } }, // prettier-ignore
    });
    const agents = {
      get: (node: string) => (node === "node-1" ? rig.#agent : null),
      list: () => [rig.#agent],
      watch: (listener: AgentListener) => {
        rig.#listener = listener;
        return () => undefined;
      },
    } as unknown as Agents;
    const record = ({ reason, message }: NewEvent) => {
      rig.events.push(`${reason} ${message}`);
      if (reason === "FailedRebuilding") rig.#failed.push(message.split(":")[0] ?? "");
    };
    const events = { record } as unknown as Events;
    const loop = startEngineLoop(store, agents, events, pino({ level: "silent" }));
    t.teardown(async () => {
      await loop.stop();
      await store.close();
    });
    return rig;
  }

  /** @param healthyAt "": it never was whole */
  async want(name: string, address: string, healthyAt = ""): Promise<void> {
    await this.store.create({ kind: "Replica", name, spec: { volumeName: "v", healthyAt } });
    await this.#change((map) => (map[name] = address));
  }

  async drop(name: string): Promise<void> {
    await this.store.delete("Replica", name);
    await this.#change((map) => Reflect.deleteProperty(map, name));
  }

  #change(change: (map: Record<string, string>) => void): Promise<unknown> {
    return modify(this.store, "Engine", "v-e-0", "spec", ({ spec }) => change(spec.replicaAddressMap));
  }

  /** The engine tells how its volume is. */
  tell(volume: { size: number; isExpanding?: boolean; error?: string; failedAt?: string }): void {
    const { size, isExpanding = false, error = "", failedAt = "" } = volume;
    this.#report.volume = {
      ...{ size, isExpanding, lastExpansionError: error, lastExpansionFailedAt: failedAt },
      ...{ endpoint: "", frontendState: "up", snapshotMaxCount: 0, snapshotMaxSize: 0 },
      unmapMarkSnapChainRemoved: false,
    };
    this.#listener(this.#agent, { of: "report", name: "v-e-0" });
  }

  /** @param size bytes */
  wantSize(size: number): Promise<unknown> {
    return modify(this.store, "Engine", "v-e-0", "spec", ({ spec }) => {
      spec.volumeSize = String(size);
    });
  }

  pass(ms: number): void {
    this.#now += ms;
  }

  /** @param times that it was tried to make it whole, in all */
  async untilFailed(name: string, times: number): Promise<void> {
    const count = () => this.#failed.filter((one) => one === name).length;
    while (count() < times) {
      const before = count();
      // Longer than is waited after so few failures.
      this.#now += 100_000;
      this.#listener(this.#agent, { of: "report", name: "v-e-0" });
      while (count() === before) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async modes(): Promise<Record<string, string>> {
    return (await this.store.get("Engine", "v-e-0"))?.status.replicaModeMap ?? {};
  }

  until(reached: (engine: Resource<"Engine">) => boolean): Promise<void> {
    return new Promise((resolve) => {
      const end = this.store.watch("Engine", {
        onChange: ({ object }) => {
          if (!reached(object)) return;
          end();
          resolve();
        },
      });
    });
  }
}

t.test("a new replica that its engine refuses is given up after some attempts, and not before", async (t) => {
  const rig = await Rig.start(t);
  await rig.until(({ status }) => status.replicaModeMap["v-r-a"] === "RW");
  await rig.want("v-r-c", "c:1");
  await rig.untilFailed("v-r-c", ADD_TRIES_MAX - 1);
  t.strictSame(await rig.modes(), { "v-r-a": "RW" });
  await rig.untilFailed("v-r-c", ADD_TRIES_MAX);
  await rig.until(({ status }) => status.replicaModeMap["v-r-c"] === "ERR");
  t.match(await rig.modes(), { "v-r-a": "RW" });
  await rig.drop("v-r-c");
  await rig.want("v-r-d", "c:1");
  await rig.untilFailed("v-r-d", ADD_TRIES_MAX - 1);
  t.strictSame(await rig.modes(), { "v-r-a": "RW" }, "the next one at its address has failures of its own");
  await rig.untilFailed("v-r-d", ADD_TRIES_MAX);
  await rig.until(({ status }) => status.replicaModeMap["v-r-d"] === "ERR");
});

t.test("one that was whole is tried on and on, and is in the way of no new one", async (t) => {
  const rig = await Rig.start(t);
  await rig.until(({ status }) => status.replicaModeMap["v-r-a"] === "RW");
  await rig.want("v-r-b", "b:1", "2030-01-01T00:00:00Z");
  await rig.untilFailed("v-r-b", ADD_TRIES_MAX + 2);
  t.strictSame(await rig.modes(), { "v-r-a": "RW" });
  await rig.want("v-r-c", "c:1");
  await rig.untilFailed("v-r-c", ADD_TRIES_MAX);
  await rig.until(({ status }) => status.replicaModeMap["v-r-c"] === "ERR");
  t.strictSame(await rig.modes(), { "v-r-a": "RW", "v-r-c": "ERR" });
});

/** @param things that come to be so many */
async function reach(things: readonly unknown[], count: number): Promise<void> {
  while (things.length < count) await new Promise((resolve) => setImmediate(resolve));
}

/** Its engine was told to grow from `size` to `larger`, bytes, and has answered. */
async function expansionBegun(t: Test) {
  const rig = await Rig.start(t);
  const [size, larger] = [1 << 20, 2 << 20];
  rig.tell({ size });
  await rig.until(({ status }) => status.currentSize === String(size));
  await rig.wantSize(larger);
  await reach(rig.expansions, 1);
  return { rig, size, larger };
}

t.test(
  "an expansion that fails after it has begun is tried again after a while, and is in the way of nothing",
  async (t) => {
    const { rig, size, larger } = await expansionBegun(t);
    t.strictSame(rig.events, [], "that it has begun is no success");

    rig.tell({ size, isExpanding: true });
    await rig.until(({ status }) => status.isExpanding);
    rig.tell({ size, error: "too many snapshots", failedAt: "2030-01-01T00:00:01Z" });
    await reach(rig.events, 1);
    t.strictSame(rig.events, ["FailedExpansion too many snapshots"]);
    // Each of these attempts goes through the loop, and would find it to be given as well.
    await rig.want("v-r-c", "c:1", "2030-01-01T00:00:00Z");
    await reach(rig.events, 3);
    t.strictSame(rig.expansions, [larger]);

    rig.pass(COMMAND_RETRY_MS.first);
    rig.tell({ size, error: "too many snapshots", failedAt: "2030-01-01T00:00:01Z" });
    await reach(rig.expansions, 2);
    rig.tell({ size: larger });
    const succeeded = `SucceededExpansion volume v has ${larger} bytes`;
    while (!rig.events.includes(succeeded)) await new Promise((resolve) => setImmediate(resolve));
    t.strictSame(rig.expansions, [larger, larger]);
  },
);

t.test("an expansion whose engine crashed in it is begun again", async (t) => {
  const { rig, size, larger } = await expansionBegun(t);
  rig.tell({ size, isExpanding: true });
  await rig.until(({ status }) => status.isExpanding);
  // Its next process, under the same name, has the old size and knows of no expansion.
  rig.tell({ size });
  await rig.until(({ status }) => !status.isExpanding);
  // Each of these goes through the loop, and would find it to be given as well.
  await rig.want("v-r-c", "c:1", "2030-01-01T00:00:00Z");
  await reach(rig.events, 2);
  t.strictSame(rig.expansions, [larger], "it may only not have told yet");

  rig.pass(EXPANSION_REPORT_MS);
  rig.tell({ size });
  await reach(rig.expansions, 2);
  t.strictSame(rig.expansions, [larger, larger]);
});
