/** Keeps the process of each replica, and of each witness, as its object wants it, and the object's status as the process is. */
import type { Logger } from "pino";
import { formatTime } from "../../engine/timestamp.js";
import type { InstanceSpec } from "../../proto/instance-manager.js";
import { Loop } from "../control/loop.js";
import type { Events } from "../events/events.js";
import type { Condition } from "../objects/fields.js";
import { isDeleted, type Resource } from "../objects/resource.js";
import { isLoss } from "../schedule/cluster.js";
import { letGo, type Store } from "../store/store.js";
import { ownLabels } from "../volume/objects.js";
import { isToBeRecorded } from "../volume/removal.js";
import { parseTime } from "../volume/time.js";
import type { Agent, AgentCalls } from "./agent.js";
import type { Agents } from "./agents.js";
import { InstanceKeeper } from "./instance-keeper.js";
import { factsOf, newFailure } from "./instance-status.js";
import { CALL_TIMEOUT_MS, LOST_DISK_MS, RELEASE_POLL_MS } from "./limits.js";
import { endOf, type End } from "./replica-end.js";
import { replicaInstance, witnessInstance } from "./replica-instance.js";

type Hosted = "Replica" | "Witness";

export function startReplicaLoop(store: Store, agents: Agents, events: Events, log: Logger): Loop {
  const specOf = (replica: Resource<"Replica">, agent: Agent) =>
    hasDisk(agent, replica) ? replicaInstance(replica, binaryOf(agent), agent.address.host) : null;
  const end = (replica: Resource<"Replica">) => replicaEnd(store, agents, replica);
  return startHosted(store, agents, events, log, "Replica", { specOf, end });
}

export function startWitnessLoop(store: Store, agents: Agents, events: Events, log: Logger): Loop {
  const specOf = (witness: Resource<"Witness">, agent: Agent) =>
    hasDisk(agent, witness) ? witnessInstance(witness, binaryOf(agent), agent.address.host) : null;
  const end = () => Promise.resolve("with its data" as const);
  return startHosted(store, agents, events, log, "Witness", { specOf, end });
}

interface Ways<K extends Hosted> {
  specOf: (object: Resource<K>, agent: Agent) => InstanceSpec | null;
  /** of one that is deleted */
  end: (object: Resource<K>) => Promise<End>;
}

function binaryOf({ facts }: Agent): string {
  return facts?.longhorn ?? "";
}

/** Where its disk is not mounted it would be made anew, and hold nothing. */
function hasDisk({ disks }: Agent, { spec }: Resource<Hosted>): boolean {
  return [...disks.values()].some(({ uuid, ready }) => ready && uuid === spec.diskID);
}

async function replicaEnd(store: Store, agents: Agents, replica: Resource<"Replica">): Promise<End> {
  const { volumeName, engineName, nodeID } = replica.spec;
  const volume = await store.get("Volume", volumeName);
  const isReached = (agents.get(nodeID)?.calls ?? null) !== null;
  if (!isReached && (volume === null || !isToBeRecorded(replica, volume))) return "out of reach";
  const engine = await store.get("Engine", engineName);
  const agent = agents.get(engine?.spec.nodeID ?? "");
  const end = endOf(replica, {
    ...{ volume, engine },
    report: agent?.calls == null ? undefined : agent.engines.get(engineName),
    replicas: await store.list("Replica", ownLabels(volumeName)),
  });
  return isReached || end === "later" ? end : "out of reach";
}

function startHosted<K extends Hosted>(
  store: Store,
  agents: Agents,
  events: Events,
  log: Logger,
  kind: K,
  ways: Ways<K>,
): Loop {
  const keeper = new InstanceKeeper(agents, events, log);
  const work = async (name: string) => {
    const object = await store.get(kind, name);
    return object === null ? null : reconcile(store, keeper, object, ways, log);
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
  { specOf, end }: Ways<K>,
  log: Logger,
): Promise<number | null> {
  const how = isDeleted(object) ? await end(object) : null;
  // Until its engine lets it go it may be what I/O waits for.
  const isHeld = how === "later" || how === "out of reach";
  const presence = await keeper.keep(object, (agent) => specOf(object, agent), isHeld);
  if (presence.is === "waiting") return null;
  const failure = presence.is === "reached" ? newFailure(object, presence.instance) : null;
  Object.assign(object.status, factsOf(object, presence, formatTime(Date.now())));
  const stored = await store.updateStatus(object);
  if (failure !== null) keeper.tellFailedStart(stored, failure);
  if (!isDeleted(stored)) return null;
  if (how === "later" || (isHeld && presence.is === "reached")) return Date.now() + RELEASE_POLL_MS;
  const { metadata } = stored;
  if (presence.is === "reached") {
    if (presence.instance !== null) {
      // It may have been asked to end, and wait for a disk that hangs: of what goes on there nobody is told.
      const lost = presence.instance.status?.state === "stopping" ? await diskOf(store, stored) : null;
      const until = lost === null ? null : leaveBehind(stored, lost, keeper);
      if (until !== "left behind") return until ?? Date.now() + LOST_DISK_MS;
    } else if (how === "with its data") {
      const until = await removeDirectory(store, stored, presence.calls, keeper);
      if (until !== null) return until;
    } else
      log.warn(
        { name: metadata.name },
        "its directory stays there: no other copy is whole beyond doubt, or the volume was salvaged without it",
      );
  } else log.warn({ name: metadata.name }, "it is removed while its node is away: its directory stays there");
  await letGo(store, stored);
  return null;
}

/** @returns ms since 1970 at which it is to be tried again, since its disk is away; null: it is done
 * @throws {RpcError} it is still there */
async function removeDirectory(
  store: Store,
  object: Resource<Hosted>,
  { node }: AgentCalls,
  keeper: InstanceKeeper,
): Promise<number | null> {
  const { dataDirectoryName } = object.spec;
  const disk = await diskOf(store, object);
  // A disk that was taken away keeps what is on it.
  if (disk === null || dataDirectoryName === "") return null;
  try {
    await node.replicaDirectoryRemove(
      { disk: disk.name, name: dataDirectoryName },
      { timeoutMs: CALL_TIMEOUT_MS },
    );
    return null;
  } catch (error) {
    const until = leaveBehind(object, disk, keeper);
    if (until === null) throw error;
    return until === "left behind" ? null : until;
  }
}

interface Disk {
  name: string;
  /** what its node says; undefined: it can be used */
  loss: Condition | undefined;
}

/** @returns null: it is none of the node's */
async function diskOf(store: Store, { spec }: Resource<Hosted>): Promise<Disk | null> {
  const found = (await store.get("Node", spec.nodeID))?.status.diskStatus ?? {};
  const [name, is] = Object.entries(found).find(([, { diskUUID }]) => diskUUID === spec.diskID) ?? [];
  return name === undefined || is === undefined ? null : { name, loss: is.conditions.find(isLoss) };
}

/** Of what is deleted, with a disk that is lost: it is told when it was waited for long enough.
 * @returns ms since 1970 until which it is waited for; null: the disk can be used */
function leaveBehind(
  object: Resource<Hosted>,
  { name, loss }: Disk,
  keeper: InstanceKeeper,
): number | "left behind" | null {
  if (loss === undefined) return null;
  const since = Math.max(parseTime(loss.lastTransitionTime), parseTime(object.metadata.deletionTimestamp));
  if (Date.now() < since + LOST_DISK_MS) return since + LOST_DISK_MS;
  keeper.tellLeftBehind(object, `disk ${name} of node ${object.spec.nodeID} is not ready: ${loss.message}`);
  return "left behind";
}
