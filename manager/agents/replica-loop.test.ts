import { status as grpcStatus } from "@grpc/grpc-js";
import { pino } from "pino";
import t, { type Test } from "tap";
import { formatTime } from "../../engine/timestamp.js";
import { ReplicaMode } from "../../proto/longhorn.js";
import { RpcError } from "../../proto/rpc-error.js";
import type { Events, NewEvent } from "../events/events.js";
import { dated } from "../objects/conditions.js";
import { FINALIZER, type NewResource, type Resource } from "../objects/resource.js";
import { SqliteStore } from "../store/sqlite-store.js";
import { modify } from "../store/store.js";
import { newReplica } from "../volume/objects.js";
import { noteBadEnd } from "../volume/restart.js";
import type { Agent } from "./agent.js";
import type { AgentListener, Agents } from "./agents.js";
import { LOST_DISK_MS } from "./limits.js";
import { startReplicaLoop } from "./replica-loop.js";

const DISK = { node: "node-1", diskUUID: "disk-1", diskPath: "/disk" };

/** A volume with an engine and two whole replicas, of which "v-r-a" is on the node that is asked. */
class Rig {
  readonly store = SqliteStore.open(":memory:");
  /** what the node was asked to do */
  readonly asked: string[] = [];
  readonly agent = {
    node: "node-1",
    address: { host: "10.0.0.1", port: 1 },
    facts: null,
    instances: new Map([["v-r-a", { status: { state: "running", uuid: "u-a", portStart: 1000 } }]]),
    engines: new Map(),
    disks: new Map([["d", { name: "d", uuid: "disk-1", ready: true }]]),
    isDown: false,
    calls: {
      instances: {
        instanceCreate: () => {
          this.asked.push("start");
          return this.startError === null ? Promise.resolve({}) : Promise.reject(this.startError);
        },
        instanceDelete: ({ name }: { name: string }) => {
          this.asked.push("stop");
          if (this.isDiskHanging)
            this.agent.instances.set(name, { status: { state: "stopping", uuid: "u-a", portStart: 1000 } }); // prettier-ignore
          else this.agent.instances.delete(name);
          this.tell({ of: "instance", name });
          return Promise.resolve({});
        },
      },
      node: {
        replicaDirectoryRemove: () => {
          this.asked.push("remove directory");
          return this.isDiskDead ? Promise.reject(new Error("EIO")) : Promise.resolve({});
        },
      },
    },
  };
  isDiskDead = false;
  /** what comes of starting a process there; null: it is started */
  startError: Error | null = null;
  /** a process does not end there */
  isDiskHanging = false;
  /** "Reason message" of warnings */
  readonly warned: string[] = [];
  #listener: AgentListener = () => undefined;

  static async start(t: Test): Promise<Rig> {
    const rig = new Rig();
    const { store, agent } = rig;
    await store.create({ kind: "Node", name: "node-1", status: { diskStatus: { d: { diskUUID: "disk-1" } } } } as unknown as NewResource<"Node">); // prettier-ignore
    const volume = await store.create({ kind: "Volume", name: "v", finalizers: [FINALIZER], spec: {} });
    for (const suffix of ["a", "b"]) {
      const made = newReplica(volume, suffix === "a" ? DISK : { ...DISK, node: "node-2" }, suffix, "");
      await store.create({
        ...made,
        spec: { ...made.spec, healthyAt: "2030-01-01T00:00:00Z", desireState: "running" },
      });
    }
    await store.create({
      ...{ kind: "Engine", name: "v-e-0" },
      spec: { nodeID: "node-1", volumeName: "v", desireState: "running", replicaAddressMap: { "v-r-b": "b:1" } }, // prettier-ignore
      status: { currentState: "running", uuid: "u-e" },
    });
    const agents = {
      get: (node: string) => (node === "node-1" ? (agent as unknown as Agent) : null),
      list: () => [agent as unknown as Agent],
      watch: (listener: AgentListener) => {
        rig.#listener = listener;
        return () => undefined;
      },
    } as unknown as Agents;
    const record = ({ type, reason, message }: NewEvent) => {
      if (type === "Warning") rig.warned.push(`${reason} ${message}`);
    };
    const events = { record } as unknown as Events;
    const loop = startReplicaLoop(store, agents, events, pino({ level: "silent" }));
    t.teardown(async () => {
      await loop.stop();
      await store.close();
    });
    return rig;
  }

  tell(change: Parameters<AgentListener>[1]): void {
    this.#listener(this.agent as unknown as Agent, change);
  }

  report(modes: Record<string, number>): void {
    const replicas = Object.entries(modes).map(([address, mode]) => ({ address: { address: `tcp://${address}` }, mode })); // prettier-ignore
    this.agent.engines.set("v-e-0", { name: "v-e-0", uuid: "u-e", replicas });
    this.tell({ of: "instance", name: "v-r-a" });
  }

  /** As long as a loop takes for what it is told. */
  pause(): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, 100));
  }

  async untilGone(): Promise<void> {
    while ((await this.store.get("Replica", "v-r-a")) !== null) await this.pause();
  }

  /** Of the one disk, as the node's object says it. */
  disk(reason: string): Promise<unknown> {
    const ready = { type: "Ready", status: reason === "" ? "True" : "False", reason, message: "it is away" };
    return modify(this.store, "Node", "node-1", "status", ({ status }) => {
      const { d } = status.diskStatus;
      if (d !== undefined) d.conditions = [dated(ready, d.conditions, formatTime(Date.now()))];
    });
  }

  engine(status: Partial<Resource<"Engine">["status"]>): Promise<unknown> {
    return modify(this.store, "Engine", "v-e-0", "status", (engine) => Object.assign(engine.status, status));
  }
}

t.test("what an agent refuses to start has failed, and is started when that is wanted anew", async (t) => {
  const rig = await Rig.start(t);
  const want = (desireState: "running" | "stopped") =>
    modify(rig.store, "Replica", "v-r-a", "spec", ({ spec }) => (spec.desireState = desireState));
  const status = async () => (await rig.store.get("Replica", "v-r-a"))?.status;
  await want("stopped");
  await rig.pause();
  t.match(await status(), { currentState: "stopped" });
  rig.startError = new RpcError(grpcStatus.UNAVAILABLE, "connection reset");
  await want("running");
  await rig.pause();
  t.match(await status(), { currentState: "stopped" }, "it may have done so");
  rig.startError = new RpcError(grpcStatus.UNKNOWN, "ENOSPC: no space left on device");
  rig.tell({ of: "instance", name: "v-r-a" });
  await rig.pause();
  const failed = { type: "InstanceCreation", status: "False", reason: "InstanceCreationFailure", message: /ENOSPC/ }; // prettier-ignore
  t.match(await status(), { currentState: "error", conditions: [failed] });
  rig.startError = null;
  rig.asked.length = 0;
  for (const time of ["1", "2"]) {
    rig.tell({ of: "instance", name: "v-r-a" });
    await rig.pause();
    t.match(await status(), { currentState: "error", conditions: [failed] }, time);
  }
  await want("stopped");
  await rig.pause();
  t.match(await status(), { currentState: "stopped", conditions: [failed] });
  t.strictSame(rig.asked, []);
  await want("running");
  await rig.pause();
  t.strictSame(rig.asked, ["start"]);
});

t.test("a replica that is deleted stays until its engine goes on without it", async (t) => {
  const rig = await Rig.start(t);
  const { RW, WO, ERR } = ReplicaMode;
  await rig.store.delete("Replica", "v-r-a");
  await rig.pause();
  t.strictSame(rig.asked, [], "nothing is known of the engine");
  for (const modes of [
    { "a:1": RW, "b:1": ERR },
    { "a:1": RW, "b:1": WO },
    { "a:1": RW, "b:1": RW },
    { "a:1": ERR, "b:1": ERR },
  ]) {
    rig.report(modes);
    await rig.pause();
    t.strictSame(rig.asked, []);
  }
  rig.report({ "b:1": RW });
  await rig.untilGone();
  t.strictSame(rig.asked, ["stop", "remove directory"]);
});

t.test("one that its engine does not let go is started again when its process ends", async (t) => {
  const rig = await Rig.start(t);
  rig.report({ "a:1": ReplicaMode.RW, "b:1": ReplicaMode.ERR });
  await rig.store.delete("Replica", "v-r-a");
  await rig.pause();
  t.strictSame(rig.asked, []);
  rig.agent.instances.set("v-r-a", { status: { state: "error", uuid: "u-a", portStart: 1000 } });
  rig.tell({ of: "instance", name: "v-r-a" });
  while (rig.asked.length < 2) await rig.pause();
  t.strictSame(rig.asked.slice(0, 2), ["stop", "start"]);
});

t.test("after an engine that did not end in order no data are removed", async (t) => {
  const rig = await Rig.start(t);
  await modify(rig.store, "Engine", "v-e-0", "spec", noteBadEnd);
  // It may have become whole just before.
  await modify(rig.store, "Replica", "v-r-a", "spec", ({ spec }) => (spec.healthyAt = ""));
  await rig.engine({ currentState: "stopped" });
  await modify(rig.store, "Volume", "v", "status", ({ status }) => (status.state = "detaching"));
  await rig.store.delete("Replica", "v-r-a");
  await rig.pause();
  t.strictSame(rig.asked, [], "what its engine knew last may still be told");
  await modify(rig.store, "Volume", "v", "status", ({ status }) => (status.state = "detached"));
  await rig.untilGone();
  t.strictSame(rig.asked, ["stop"]);
});

t.test("one that stays is stopped with its volume", async (t) => {
  const rig = await Rig.start(t);
  await rig.store.delete("Replica", "v-r-a");
  await rig.engine({ currentState: "stopped" });
  await modify(rig.store, "Volume", "v", "status", ({ status }) => (status.state = "detaching"));
  await rig.pause();
  t.strictSame(rig.asked, [], "what the next engine is given may be what the volume is attached to again");
  await modify(rig.store, "Replica", "v-r-a", "spec", ({ spec }) => (spec.desireState = "stopped"));
  while (rig.asked.length === 0) await rig.pause();
  t.strictSame(rig.asked, ["stop"]);
  t.not(await rig.store.get("Replica", "v-r-a"), null);
});

t.test("one that is no copy is not waited for", async (t) => {
  const rig = await Rig.start(t);
  rig.report({ "a:1": ReplicaMode.WO, "b:1": ReplicaMode.RW });
  await rig.store.delete("Replica", "v-r-a");
  await rig.untilGone();
  t.strictSame(rig.asked, ["stop", "remove directory"]);
});

t.test(
  "a whole copy of a volume that is not used stays until an engine has recorded that it is gone",
  async (t) => {
    const { RW } = ReplicaMode;
    const rig = await Rig.start(t);
    await rig.engine({ currentState: "stopped" });
    await modify(rig.store, "Volume", "v", "status", ({ status }) => (status.state = "detached"));
    const { calls } = rig.agent;
    Object.assign(rig.agent, { calls: null, isDown: true });
    await rig.store.delete("Replica", "v-r-a");
    await rig.pause();
    t.not(await rig.store.get("Replica", "v-r-a"), null, "nor does it go since its node is away");
    Object.assign(rig.agent, { calls, isDown: false });
    rig.tell({ of: "instance", name: "v-r-a" });
    await rig.pause();
    await rig.engine({ currentState: "running" });
    rig.report({ "a:1": RW, "b:1": RW });
    await rig.pause();
    t.notOk(rig.asked.includes("remove directory"));
    rig.report({ "b:1": RW });
    await rig.untilGone();
    t.equal(rig.asked.at(-1), "remove directory");
  },
);

t.test("without an engine the data of the last whole copy stay, unless the volume goes", async (t) => {
  for (const [isLast, isVolumeGoing] of [
    [true, false],
    [false, true],
    [true, true],
  ] as const) {
    const rig = await Rig.start(t);
    await rig.engine({ currentState: "stopped" });
    if (isLast) await modify(rig.store, "Replica", "v-r-b", "spec", ({ spec }) => (spec.failedAt = "2030-01-01T00:00:01Z")); // prettier-ignore
    if (isVolumeGoing) await rig.store.delete("Volume", "v");
    await rig.store.delete("Replica", "v-r-a");
    await rig.untilGone();
    t.strictSame(rig.asked, isLast && !isVolumeGoing ? ["stop"] : ["stop", "remove directory"]);
  }
});

t.test("none is started on a disk that is not there", async (t) => {
  const rig = await Rig.start(t);
  rig.agent.instances.delete("v-r-a");
  rig.agent.disks.set("d", { name: "d", uuid: "disk-1", ready: false });
  await modify(rig.store, "Replica", "v-r-a", "spec", ({ spec }) => (spec.desireState = "running"));
  await rig.pause();
  t.strictSame(rig.asked, []);
  rig.agent.disks.set("d", { name: "d", uuid: "disk-1", ready: true });
  rig.tell({ of: "disk", name: "d" });
  await rig.pause();
  t.strictSame(rig.asked, ["start"]);
});

/** From now on it is later. */
function skip(t: Test, ms: number): void {
  const { now } = Date;
  t.intercept(Date, "now", { value: () => now() + ms });
}

t.test("one that is deleted is waited for while its disk is away, but not for ever", async (t) => {
  const rig = await Rig.start(t);
  rig.isDiskDead = true;
  await rig.disk("NoDiskInfo");
  await rig.store.delete("Volume", "v");
  await rig.store.delete("Replica", "v-r-a");
  await rig.pause();
  t.not(await rig.store.get("Replica", "v-r-a"), null);
  t.strictSame([...new Set(rig.asked)], ["stop", "remove directory"]);
  t.strictSame(rig.warned, []);
  skip(t, LOST_DISK_MS);
  rig.tell({ of: "disk", name: "d" });
  await rig.untilGone();
  t.match(rig.warned, [
    /^FailedDeleting v-r-a .* \/disk\/replicas\/v-a .* disk d of node node-1 .*: it is away/,
  ]);
});

t.test("one whose process does not end is waited for while its disk hangs, but not for ever", async (t) => {
  const rig = await Rig.start(t);
  rig.isDiskHanging = true;
  await rig.store.delete("Volume", "v");
  await rig.store.delete("Replica", "v-r-a");
  await rig.pause();
  skip(t, LOST_DISK_MS);
  rig.tell({ of: "instance", name: "v-r-a" });
  await rig.pause();
  t.not(await rig.store.get("Replica", "v-r-a"), null, "its disk is there");
  await rig.disk("NoDiskInfo");
  rig.tell({ of: "instance", name: "v-r-a" });
  await rig.pause();
  t.not(await rig.store.get("Replica", "v-r-a"), null, "it is not away for long");
  skip(t, LOST_DISK_MS);
  rig.tell({ of: "disk", name: "d" });
  await rig.untilGone();
  t.strictSame(rig.asked, ["stop"]);
  t.match(rig.warned, [/^FailedDeleting v-r-a .* \/disk\/replicas\/v-a .*: it is away/]);
});

t.test("where its disk is there, or its node was away, what cannot be removed is tried again", async (t) => {
  for (const reason of ["", "NodeNotReady"]) {
    const rig = await Rig.start(t);
    rig.isDiskDead = true;
    await rig.disk(reason);
    await rig.store.delete("Volume", "v");
    await rig.store.delete("Replica", "v-r-a");
    await rig.pause();
    skip(t, LOST_DISK_MS);
    rig.tell({ of: "disk", name: "d" });
    await rig.pause();
    t.not(await rig.store.get("Replica", "v-r-a"), null);
    rig.isDiskDead = false;
    await rig.untilGone();
    t.strictSame(rig.warned, []);
  }
});
