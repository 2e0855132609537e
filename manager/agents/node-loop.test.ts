import { pino } from "pino";
import t from "tap";
import type { Resource } from "../objects/resource.js";
import { SqliteStore } from "../store/sqlite-store.js";
import { Agents } from "./agents.js";
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
