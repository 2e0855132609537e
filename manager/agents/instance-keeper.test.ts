import { status } from "@grpc/grpc-js";
import { pino } from "pino";
import t from "tap";
import type { InstanceResponse, InstanceSpec } from "../../proto/instance-manager.js";
import { RpcError } from "../../proto/rpc-error.js";
import type { Events } from "../events/events.js";
import type { Resource } from "../objects/resource.js";
import { loadSettings } from "../settings/stored.js";
import { SqliteStore } from "../store/sqlite-store.js";
import type { Agent } from "./agent.js";
import type { Agents } from "./agents.js";
import { engineInstance } from "./engine-instance.js";
import { InstanceKeeper } from "./instance-keeper.js";

const NAME = "v-e-0";

t.test("an engine that still runs is not taken for that of the next volume of its name", async (t) => {
  const store = SqliteStore.open(":memory:");
  t.teardown(() => store.close());
  const settings = await loadSettings(store);
  const instances = new Map<string, InstanceResponse>();
  const asked: string[] = [];
  const calls = {
    instances: {
      instanceCreate: ({ spec }: { spec: InstanceSpec }) => {
        if (instances.has(NAME)) return Promise.reject(new RpcError(status.ALREADY_EXISTS, NAME));
        asked.push("start");
        instances.set(NAME, { spec, status: { state: "running", uuid: "u" } } as InstanceResponse);
        return Promise.resolve({});
      },
      instanceDelete: () => {
        asked.push("stop");
        instances.set(NAME, { ...instances.get(NAME), status: { state: "stopping", uuid: "u" } } as InstanceResponse); // prettier-ignore
        return Promise.resolve({});
      },
    },
  };
  const agent = { node: "node-1", instances, calls } as unknown as Agent;
  const agents = { get: () => agent, list: () => [agent] } as unknown as Agents;
  const events = { record: () => undefined } as unknown as Events;
  const keeper = new InstanceKeeper(agents, events, pino({ level: "silent" }));
  const make = () => store.create({ kind: "Engine", name: NAME, spec: { nodeID: "node-1", volumeName: "v", desireState: "running" } }); // prettier-ignore
  /** @returns state of its process; null: there is none */
  const keep = async (engine: Resource<"Engine">) => {
    const found = await keeper.keep(engine, () => engineInstance(engine, "", false, "longhorn", "10.0.0.1", settings)); // prettier-ignore
    return found.is === "reached" ? (found.instance?.status?.state ?? null) : found.is;
  };

  const first = await make();
  t.equal(await keep(first), "running");
  await store.delete("Engine", NAME);
  const second = await make();
  t.equal(await keep(second), null);
  t.equal(await keep(second), null, "nor while it ends");
  t.strictSame(asked.splice(0), ["start", "stop"]);
  instances.delete(NAME);
  t.equal(await keep(second), "running");
  t.equal(await keep(second), "running");
  t.strictSame(asked, ["start"]);

  const args = instances.get(NAME)?.spec?.processInstanceSpec?.args ?? [];
  args.splice(args.indexOf(second.metadata.uid) - 1, 2);
  t.equal(await keep(second), "running", "one that does not say whose it is was started before they did");
});
