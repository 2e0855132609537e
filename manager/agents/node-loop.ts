/** Keeps nodes and their disks as their objects want them, and the objects as the nodes are. */
import { createHash } from "node:crypto";
import type { Logger } from "pino";
import { formatTime } from "../../engine/timestamp.js";
import { errorText } from "../../proto/rpc-error.js";
import { Loop } from "../control/loop.js";
import { tellAs, type Events } from "../events/events.js";
import { isTrue } from "../objects/conditions.js";
import type { Resource } from "../objects/resource.js";
import type { SettingValues } from "../settings/settings.js";
import { loadSettings } from "../settings/stored.js";
import { modify, type Store } from "../store/store.js";
import type { Agent, AgentCalls } from "./agent.js";
import type { Agents } from "./agents.js";
import { instanceManagerName, instanceManagerStatus } from "./instance-manager.js";
import { CALL_TIMEOUT_MS, DISK_RETRY_MS } from "./limits.js";
import { nodeStatus } from "./node-status.js";

const CALL = { timeoutMs: CALL_TIMEOUT_MS };

export function startNodeLoop(store: Store, agents: Agents, events: Events, log: Logger): Loop {
  const loop = new Loop("node", store, (name) => reconcile(store, agents, events, name), log);
  const all = async () => (await store.list("Node")).map(({ metadata }) => metadata.name);
  for (const { node } of agents.list()) loop.add(node);
  return loop
    .follow("Node", ({ metadata }) => [metadata.name])
    .follow("Replica", ({ spec }) => [spec.nodeID])
    .follow("Setting", all)
    .alsoEnds(
      agents.watch(({ node }, { of }) => {
        // What engines report is no matter of the node.
        if (of !== "report") loop.add(node);
      }),
    );
}

async function reconcile(store: Store, agents: Agents, events: Events, name: string): Promise<number | null> {
  const agent = agents.get(name);
  const settings = await loadSettings(store);
  const node = (await store.get("Node", name)) ?? (await create(store, agent, settings));
  if (node === null) return null;
  const problems = new Map<string, string>();
  const calls = agent?.calls ?? null;
  if (agent !== null && calls !== null) await keepDisks(node, agent, calls, problems);
  const before = node.status.conditions;
  node.status = nodeStatus(node, {
    agent:
      agent === null
        ? null
        : {
            ...{ isReached: agent.calls !== null, isDown: agent.isDown },
            ...{ zone: agent.facts?.zone ?? "", disks: agent.disks },
          },
    problems,
    replicas: await store.list("Replica"),
    rules: {
      overProvisioning: settings.number("storage-over-provisioning-percentage"),
      minimalAvailable: settings.number("storage-minimal-available-percentage"),
    },
    now: formatTime(Date.now()),
  });
  const stored = await store.updateStatus(node);
  tell(events, stored, before);
  if (agent !== null) await keepInstanceManager(store, agent);
  return problems.size > 0 ? Date.now() + DISK_RETRY_MS : null;
}

/** A node is made when its agent is reached for the first time, with a disk where that says, or the setting. */
async function create(
  store: Store,
  agent: Agent | null,
  settings: SettingValues,
): Promise<Resource<"Node"> | null> {
  if (agent?.calls == null) return null;
  const path = agent.facts?.dataPath || settings.text("default-data-path");
  const disk = `default-disk-${createHash("sha256").update(`${agent.node} ${path}`).digest("hex").slice(0, 12)}`;
  const { capacity } = await agent.calls.node.diskInit({ name: disk, path, uuid: "" }, CALL);
  const percent = settings.number("storage-reserved-percentage-for-default-disk");
  return store.create({
    kind: "Node",
    name: agent.node,
    spec: {
      ...{ name: agent.node, allowScheduling: true },
      disks: {
        [disk]: {
          ...{
            path,
            diskType: "filesystem",
            diskDriver: "",
            allowScheduling: true,
            evictionRequested: false,
          },
          ...{ storageReserved: Math.floor((capacity * percent) / 100), tags: [] },
        },
      },
    },
  });
}

/** @param problems gets why a disk is none, by name */
async function keepDisks(
  { spec, status }: Resource<"Node">,
  agent: Agent,
  { node }: AgentCalls,
  problems: Map<string, string>,
): Promise<void> {
  for (const [name, { path }] of Object.entries(spec.disks)) {
    if (agent.disks.has(name)) continue;
    try {
      const found = await node.diskInit({ name, path, uuid: status.diskStatus[name]?.diskUUID ?? "" }, CALL);
      agent.disks.set(name, found);
    } catch (error) {
      problems.set(name, errorText(error));
    }
  }
  for (const name of [...agent.disks.keys()]) {
    if (Object.hasOwn(spec.disks, name)) continue;
    await node.diskForget({ name }, CALL);
    agent.disks.delete(name);
  }
}

async function keepInstanceManager(store: Store, agent: Agent): Promise<void> {
  const name = instanceManagerName(agent.node);
  if ((await store.get("InstanceManager", name)) === null)
    await store.create({
      kind: "InstanceManager",
      name,
      labels: { longhornnode: agent.node },
      spec: { nodeID: agent.node, type: "aio", dataEngine: "v1" },
    });
  await modify(store, "InstanceManager", name, "status", (object) => {
    object.status = instanceManagerStatus(agent, object.status);
  });
}

function tell(
  events: Events,
  node: Resource<"Node">,
  before: Resource<"Node">["status"]["conditions"],
): void {
  const { metadata, status } = node;
  const is = isTrue(status.conditions, "Ready");
  if (is === isTrue(before, "Ready")) return;
  const { name } = metadata;
  const message = is
    ? `node ${name} is ready`
    : `node ${name} is not ready: ${status.conditions.find(({ type }) => type === "Ready")?.message ?? ""}`;
  tellAs(events, "longhorn-node-controller")(node, {
    type: is ? "Normal" : "Warning",
    reason: "Ready",
    message,
  });
}
