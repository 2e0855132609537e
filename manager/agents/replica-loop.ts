/** Keeps the process of each replica, and of each witness, as its object wants it, and the object's status as the process is. */
import type { Logger } from "pino";
import { formatTime } from "../../engine/timestamp.js";
import type { InstanceSpec } from "../../proto/instance-manager.js";
import { Loop } from "../control/loop.js";
import type { Events } from "../events/events.js";
import { isDeleted, type Resource } from "../objects/resource.js";
import { letGo, type Store } from "../store/store.js";
import type { Agent, AgentCalls } from "./agent.js";
import type { Agents } from "./agents.js";
import { InstanceKeeper } from "./instance-keeper.js";
import { factsOf, newFailure } from "./instance-status.js";
import { CALL_TIMEOUT_MS } from "./limits.js";
import { replicaInstance, witnessInstance } from "./replica-instance.js";

type Hosted = "Replica" | "Witness";

export function startReplicaLoop(store: Store, agents: Agents, events: Events, log: Logger): Loop {
  // Where its disk is not mounted it would be made anew, and hold nothing.
  const specOf = (replica: Resource<"Replica">, agent: Agent) =>
    hasDisk(agent, replica) ? replicaInstance(replica, binaryOf(agent), agent.address.host) : null;
  return startHosted(store, agents, events, log, "Replica", specOf);
}

export function startWitnessLoop(store: Store, agents: Agents, events: Events, log: Logger): Loop {
  const specOf = (witness: Resource<"Witness">, agent: Agent) =>
    witnessInstance(witness, binaryOf(agent), agent.address.host);
  return startHosted(store, agents, events, log, "Witness", specOf);
}

type SpecOf<K extends Hosted> = (object: Resource<K>, agent: Agent) => InstanceSpec | null;

function binaryOf({ facts }: Agent): string {
  return facts?.longhorn ?? "";
}

function hasDisk({ disks }: Agent, { spec }: Resource<"Replica">): boolean {
  return [...disks.values()].some(({ uuid, ready }) => ready && uuid === spec.diskID);
}

function startHosted<K extends Hosted>(
  store: Store,
  agents: Agents,
  events: Events,
  log: Logger,
  kind: K,
  specOf: SpecOf<K>,
): Loop {
  const keeper = new InstanceKeeper(agents, events, log);
  const work = async (name: string) => {
    const object = await store.get(kind, name);
    if (object !== null) await reconcile(store, keeper, object, specOf, log);
    return null;
  };
  const loop = new Loop(kind.toLowerCase(), store, work, log);
  loop.follow(kind, ({ metadata }) => [metadata.name]);
  return followAgents(loop, store, agents, kind);
}

/** Looks again at what an agent tells of, and at all that belongs to a node when that comes or goes, at replicas when a disk does. */
export function followAgents(loop: Loop, store: Store, agents: Agents, kind: "Engine" | Hosted): Loop {
  return loop.alsoEnds(
    agents.watch(({ node }, change) => {
      if (change.of === "instance" || change.of === "report") loop.add(change.name);
      else if (change.of === "node" || kind === "Replica")
        loop.addAll(
          store
            .list(kind)
            .then((all) => all.filter(({ spec }) => spec.nodeID === node).map((one) => one.metadata.name)),
        );
    }),
  );
}

async function reconcile<K extends Hosted>(
  store: Store,
  keeper: InstanceKeeper,
  object: Resource<K>,
  specOf: SpecOf<K>,
  log: Logger,
): Promise<void> {
  const presence = await keeper.keep(object, (agent) => specOf(object, agent));
  if (presence.is === "waiting") return;
  const failure = presence.is === "reached" ? newFailure(object, presence.instance) : null;
  Object.assign(object.status, factsOf(object, presence, formatTime(Date.now())));
  const stored = await store.updateStatus(object);
  if (failure !== null) keeper.tellFailedStart(stored, failure);
  if (!isDeleted(stored)) return;
  const { metadata } = stored;
  if (presence.is === "reached") {
    if (presence.instance !== null) return;
    await removeDirectory(store, stored, presence.calls);
  } else log.warn({ name: metadata.name }, "it is removed while its node is away: its directory stays there");
  await letGo(store, stored);
}

/** @throws {RpcError} it is still there */
async function removeDirectory(
  store: Store,
  { spec }: Resource<Hosted>,
  { node }: AgentCalls,
): Promise<void> {
  const found = (await store.get("Node", spec.nodeID))?.status.diskStatus ?? {};
  const disk = Object.keys(found).find((name) => found[name]?.diskUUID === spec.diskID);
  // A disk that was taken away keeps what is on it.
  if (disk === undefined || spec.dataDirectoryName === "") return;
  await node.replicaDirectoryRemove({ disk, name: spec.dataDirectoryName }, { timeoutMs: CALL_TIMEOUT_MS });
}
