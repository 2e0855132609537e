/** Keeps nodes and their disks as their objects want them, and the objects as the nodes are. */
import type { Logger } from "pino";
import { formatTime } from "../../engine/timestamp.js";
import { formatHostPort } from "../../engine/host-port.js";
import { errorText } from "../../proto/rpc-error.js";
import { Loop } from "../control/loop.js";
import { tellAs, type Events } from "../events/events.js";
import type { Resource } from "../objects/resource.js";
import { loadSettings } from "../settings/stored.js";
import { modify, type Store } from "../store/store.js";
import type { Agent, AgentCalls } from "./agent.js";
import type { Agents } from "./agents.js";
import { instanceManagerName, instanceManagerStatus } from "./instance-manager.js";
import { CALL_TIMEOUT_MS, DISK_RETRY_MS } from "./limits.js";
import { nodeEvents } from "./node-events.js";
import { createNode, giveFirstDisk } from "./new-node.js";
import { nodeStatus, statusAt } from "./node-status.js";

const CALL = { timeoutMs: CALL_TIMEOUT_MS };

export function startNodeLoop(store: Store, agents: Agents, events: Events, log: Logger): Loop {
  const loop = new Loop("node", store, (name) => reconcile(store, agents, events, name), log);
  const all = async () => (await store.list("Node")).map(({ metadata }) => metadata.name);
  for (const { node } of agents.list()) loop.add(node);
  return loop
    .follow("Node", ({ metadata }) => [metadata.name])
    .follow("Replica", ({ spec }) => [spec.nodeID])
    .follow("Setting", all)
    .follow("InstanceManager", ({ spec }) => (agents.get(spec.nodeID) === null ? [spec.nodeID] : []))
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
  let node = (await store.get("Node", name)) ?? (agent === null ? null : await createNode(store, name));
  if (node === null) {
    // It was removed, by an earlier manager perhaps, and none of our agents is there.
    await store.delete("InstanceManager", instanceManagerName(name));
    return null;
  }
  const problems = new Map<string, string>();
  const calls = agent?.calls ?? null;
  let noFirstDisk: Error | null = null;
  if (agent !== null && calls !== null) {
    try {
      node = await giveFirstDisk(store, node, agent, calls, settings);
    } catch (error) {
      // That the node is there is told all the same.
      noFirstDisk = error as Error;
    }
    await keepDisks(node, agent, calls, problems);
  }
  const before = node.status;
  node.status = nodeStatus(node, {
    agent:
      agent === null
        ? null
        : {
            ...{
              isReached: agent.calls !== null,
              isDown: agent.isDown,
              isOf: agent.isOf,
              address: formatHostPort(agent.address),
            },
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
  const tell = tellAs(events, "longhorn-node-controller");
  for (const event of nodeEvents(name, stored.status, before)) tell(stored, event);
  if (agent !== null) await keepInstanceManager(store, agent);
  if (noFirstDisk !== null) throw noFirstDisk;
  return problems.size > 0 ? Date.now() + DISK_RETRY_MS : null;
}

/** @param problems gets why a disk is none, by name */
async function keepDisks(
  { spec, status }: Resource<"Node">,
  agent: Agent,
  { node }: AgentCalls,
  problems: Map<string, string>,
): Promise<void> {
  // First those that are elsewhere now: their paths may be other disks'.
  for (const [name, { path }] of [...agent.disks]) {
    if (spec.disks[name]?.path === path) continue;
    await node.diskForget({ name }, CALL);
    agent.disks.delete(name);
  }
  for (const [name, { path }] of Object.entries(spec.disks)) {
    if (agent.disks.has(name)) continue;
    try {
      const uuid = statusAt(path, status.diskStatus[name])?.diskUUID ?? "";
      agent.disks.set(name, await node.diskInit({ name, path, uuid }, CALL));
    } catch (error) {
      problems.set(name, errorText(error));
    }
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
