/** Keeps each replica's process as its object wants it, and its object's status as the process is. */
import type { Logger } from "pino";
import { Loop } from "../control/loop.js";
import type { Events } from "../events/events.js";
import { FINALIZER, isDeleted, type Resource } from "../objects/resource.js";
import type { Store } from "../store/store.js";
import type { AgentCalls } from "./agent.js";
import type { Agents } from "./agents.js";
import { InstanceKeeper } from "./instance-keeper.js";
import { instanceFacts, unknownFacts } from "./instance-status.js";
import { CALL_TIMEOUT_MS } from "./limits.js";
import { replicaInstance } from "./replica-instance.js";

export function startReplicaLoop(store: Store, agents: Agents, events: Events, log: Logger): Loop {
  const keeper = new InstanceKeeper(agents, events, log);
  const loop = new Loop("replica", store, (name) => reconcile(store, keeper, name, log), log);
  loop.follow("Replica", ({ metadata }) => [metadata.name]);
  return followAgents(loop, store, agents, "Replica");
}

/** Looks again at what an agent tells of, and at all that belongs to a node when that comes or goes. */
export function followAgents(loop: Loop, store: Store, agents: Agents, kind: "Engine" | "Replica"): Loop {
  return loop.alsoEnds(
    agents.watch(({ node }, change) => {
      if (change.of === "instance") loop.add(change.name);
      else if (change.of === "node")
        loop.addAll(
          store
            .list(kind)
            .then((all) => all.filter(({ spec }) => spec.nodeID === node).map((one) => one.metadata.name)),
        );
    }),
  );
}

async function reconcile(
  store: Store,
  keeper: InstanceKeeper,
  name: string,
  log: Logger,
): Promise<number | null> {
  const replica = await store.get("Replica", name);
  if (replica === null) return null;
  const presence = await keeper.keep(replica, (agent) =>
    replicaInstance(replica, agent.facts?.longhorn ?? "", agent.address.host),
  );
  switch (presence.is) {
    case "waiting":
      return null;
    case "down":
      Object.assign(replica.status, unknownFacts(replica));
      break;
    case "nowhere":
      Object.assign(replica.status, instanceFacts(replica, null, ""));
      break;
    case "reached":
      Object.assign(replica.status, instanceFacts(replica, presence.instance, presence.agent.address.host));
  }
  const stored = await store.updateStatus(replica);
  if (!isDeleted(stored)) return null;
  if (presence.is === "reached") {
    if (presence.instance !== null) return null;
    await removeDirectory(store, stored, presence.calls);
  } else log.warn({ replica: name }, "a replica is removed whose node is away: its directory stays there");
  const { metadata } = stored;
  const finalizers = metadata.finalizers.filter((finalizer) => finalizer !== FINALIZER);
  await store.update({ ...stored, metadata: { ...metadata, finalizers } });
  return null;
}

/** @throws {RpcError} it is still there */
async function removeDirectory(
  store: Store,
  { spec }: Resource<"Replica">,
  { node }: AgentCalls,
): Promise<void> {
  const found = (await store.get("Node", spec.nodeID))?.status.diskStatus ?? {};
  const disk = Object.keys(found).find((name) => found[name]?.diskUUID === spec.diskID);
  // A disk that was taken away keeps what is on it.
  if (disk === undefined || spec.dataDirectoryName === "") return;
  await node.replicaDirectoryRemove({ disk, name: spec.dataDirectoryName }, { timeoutMs: CALL_TIMEOUT_MS });
}
