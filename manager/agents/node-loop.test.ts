import { pino } from "pino";
import t, { type Test } from "tap";
import type { DiskStatus } from "../../proto/instance-manager.js";
import type { Events } from "../events/events.js";
import type { NewResource, Resource } from "../objects/resource.js";
import { SqliteStore } from "../store/sqlite-store.js";
import type { Agent } from "./agent.js";
import { Agents, type AgentListener } from "./agents.js";
import { instanceManagerName } from "./instance-manager.js";
import { startNodeLoop } from "./node-loop.js";
import { nodeStatus } from "./node-status.js";

t.test(
  "a node whose agent was never reached is there, not ready, and says where it is looked for",
  async (t) => {
    const store = SqliteStore.open(":memory:");
    const log = pino({ level: "silent" });
    // Nobody listens there.
    const agents = new Agents(new Map([["node-1", { host: "127.0.0.1", port: 1 }]]), store, log);
    const events = {
      record: () => undefined,
      list: () => Promise.resolve([]),
      watch: () => () => undefined,
      close: () => Promise.resolve(),
    };
    const loop = startNodeLoop(store, agents, events, log);
    const node = await new Promise<Resource<"Node">>((resolve) => {
      store.watch("Node", {
        onChange: ({ object }) => {
          if (object.status.conditions.length > 0) resolve(object);
        },
      });
    });
    t.equal(node.metadata.name, "node-1");
    t.match(node.status.conditions, [
      {
        type: "Ready",
        status: "Unknown",
        message: "its agent was not reached yet at 127.0.0.1:1",
      },
      { type: "Schedulable", status: "True" },
    ]);
    t.strictSame(node.spec.disks, {}, "its first disk is made when it is reached");
    const agent = { isReached: false, isDown: true, isOf: null, address: "127.0.0.1:1", zone: "", disks: new Map() }; // prettier-ignore
    const rules = { overProvisioning: 100, minimalAvailable: 25 };
    const later = nodeStatus(node, { agent, problems: new Map(), replicas: [], rules, now: "2030-01-01T00:00:00Z" }); // prettier-ignore
    t.match(later.conditions[0], { type: "Ready", status: "False", reason: "KubernetesNodeNotReady", message: /reached at 127\.0\.0\.1:1; it listens where/ }); // prettier-ignore
    await loop.stop();
    agents.stop();
    await store.close();
  },
);

const disk = (name: string, path: string) => ({ name, path, uuid: `uuid of ${path}`, ready: true, reason: "", message: "", capacity: 100, available: 80, filesystemType: "ext4", filesystemId: path }); // prettier-ignore
const uuidAt = (path: string) => `uuid of ${path}`;
const READY = { type: "Ready", status: "True" };

/** A node of which some disks were elsewhere when its agent, and the loop, saw them last. */
class MovedDisks {
  readonly store = SqliteStore.open(":memory:");
  /** what the agent was asked to do */
  readonly asked: string[] = [];
  /** why the agent makes no disks */
  refusal: string | null = null;
  readonly agent: Agent;
  tell: AgentListener = () => undefined;

  /** @param paths by name, where the disk was and where it is wanted */
  static async start(
    t: Test,
    paths: Record<string, readonly [was: string, is: string]>,
  ): Promise<MovedDisks> {
    const rig = new MovedDisks(Object.entries(paths).map(([name, [was]]) => [name, disk(name, was)]));
    const { store } = rig;
    const wanted = Object.entries(paths).map(([name, [, path]]) => [name, { path }]);
    const found = Object.entries(paths).map(([name, [was]]) => [name, { diskPath: was, diskUUID: uuidAt(was), storageMaximum: 100, conditions: [READY] }]); // prettier-ignore
    await store.create({
      ...{ kind: "Node", name: "node-1" },
      spec: { name: "node-1", disks: Object.fromEntries(wanted) as object },
      status: { conditions: [READY], diskStatus: Object.fromEntries(found) as object },
    } as unknown as NewResource<"Node">);
    t.teardown(() => store.close());
    return rig;
  }

  private constructor(disks: [string, DiskStatus][]) {
    const node = {
      diskForget: ({ name }: { name: string }) => Promise.resolve(this.asked.push(`forget ${name}`)),
      diskInit: ({ name, path, uuid }: { name: string; path: string; uuid: string }) => {
        this.asked.push(`make ${name} of ${path}, ${uuid === "" ? "whichever it is" : uuid}`);
        if (this.refusal !== null) return Promise.reject(new Error(this.refusal));
        return Promise.resolve(disk(name, path));
      },
    };
    this.agent = {
      ...{ node: "node-1", address: { host: "10.0.0.1", port: 1 }, facts: null, isDown: false, isOf: null },
      ...{ disks: new Map(disks), instances: new Map(), engines: new Map(), calls: { node } },
    } as unknown as Agent;
  }

  run(t: Test): void {
    const watch = (listener: AgentListener) => {
      this.tell = listener;
      return () => undefined;
    };
    const get = (node: string) => (node === this.agent.node ? this.agent : null);
    const agents = { get, list: () => [this.agent], watch } as unknown as Agents;
    const events = { record: () => undefined } as unknown as Events;
    const loop = startNodeLoop(this.store, agents, events, pino({ level: "silent" }));
    t.teardown(() => loop.stop());
  }

  /** @returns the disks, by name, when they are all where they are wanted, as their conditions have it */
  async until(status: string): Promise<Resource<"Node">["status"]["diskStatus"]> {
    return new Promise((resolve) => {
      const end = this.store.watch("Node", {
        onChange: ({ object: { spec, status: is } }) => {
          const isSeen = Object.entries(is.diskStatus).every(
            ([name, { diskPath, conditions }]) =>
              diskPath === spec.disks[name]?.path && conditions[0]?.status === status,
          );
          if (!isSeen) return;
          end();
          resolve(is.diskStatus);
        },
      });
    });
  }
}

t.test(
  "a disk that is added anew elsewhere, while its node is away, is not the one that it was",
  async (t) => {
    const rig = await MovedDisks.start(t, { d: ["/a", "/b"] });
    rig.refusal = "/b is no directory";
    rig.run(t);
    t.match(await rig.until("False"), {
      d: { diskUUID: "", storageMaximum: 0, conditions: [{ reason: "NoDiskInfo", message: rig.refusal }] },
    });
    rig.refusal = null;
    rig.tell(rig.agent, { of: "disk", name: "d" });
    t.match(await rig.until("True"), { d: { diskUUID: uuidAt("/b"), storageMaximum: 100 } });
    t.strictSame([...new Set(rig.asked)], ["forget d", "make d of /b, whichever it is"]);
    t.equal(rig.agent.disks.get("d")?.path, "/b");
  },
);

t.test("disks that have one another's paths are made when both are forgotten", async (t) => {
  const rig = await MovedDisks.start(t, { d: ["/a", "/b"], e: ["/b", "/a"], stays: ["/c", "/c"] });
  rig.run(t);
  t.match(await rig.until("True"), {
    d: { diskUUID: uuidAt("/b") },
    e: { diskUUID: uuidAt("/a") },
    stays: { diskUUID: uuidAt("/c") },
  });
  t.strictSame(rig.asked, [
    ...["forget d", "forget e"],
    ...["make d of /b, whichever it is", "make e of /a, whichever it is"],
  ]);
});

t.test("what is told, or was known, of a disk at another path makes none ready", async (t) => {
  const { store, agent: { disks } } = await MovedDisks.start(t, { d: ["/a", "/b"] }); // prettier-ignore
  const node = await store.get("Node", "node-1");
  if (node === null) throw new Error("no node");
  const rules = { overProvisioning: 100, minimalAvailable: 25 };
  for (const isReached of [true, false]) {
    const agent = { isReached, isDown: false, isOf: null, address: "10.0.0.1:1", zone: "", disks };
    const { diskStatus } = nodeStatus(node, { agent, problems: new Map(), replicas: [], rules, now: "2030-01-01T00:00:00Z" }); // prettier-ignore
    t.match(diskStatus, { d: { diskPath: "/b", diskUUID: "", storageMaximum: 0, conditions: [{ status: "Unknown" }, { status: "False" }] } }); // prettier-ignore
  }
});

t.test(
  "a node that was removed leaves no object of its agent, also one that an earlier manager has left",
  async (t) => {
    const rig = await MovedDisks.start(t, {});
    const managers = ["node-1", "removed", "left"].map((node) => ({ kind: "InstanceManager" as const, name: instanceManagerName(node), spec: { nodeID: node } })); // prettier-ignore
    for (const one of managers) await rig.store.create(one);
    // No agent is known for it.
    await rig.store.create({ kind: "Node", name: "removed", spec: { name: "removed" } });
    const untilGone = (node: string) =>
      new Promise<void>((resolve) => {
        const end = rig.store.watch("InstanceManager", {
          onChange: ({ change, object }) => {
            if (change !== "DELETED" || object.spec.nodeID !== node) return;
            end();
            resolve();
          },
        });
      });
    const gone = { left: untilGone("left"), removed: untilGone("removed") };
    rig.run(t);
    await gone.left;
    t.ok(await rig.store.get("InstanceManager", instanceManagerName("removed")), "its node is there");
    await rig.store.delete("Node", "removed");
    await gone.removed;
    t.ok(await rig.store.get("InstanceManager", instanceManagerName("node-1")));
  },
);
