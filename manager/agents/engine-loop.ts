/** Keeps each engine's process as its object wants it, tells it what to do, and keeps its object's status as it is. */
import type { Logger } from "pino";
import { formatHostPort } from "../../engine/host-port.js";
import { formatTime } from "../../engine/timestamp.js";
import { Loop } from "../control/loop.js";
import { tellAs, type Events } from "../events/events.js";
import { bytesOf } from "../objects/bytes.js";
import { isDeleted, type Resource } from "../objects/resource.js";
import { loadSettings } from "../settings/stored.js";
import { letGo, type Store } from "../store/store.js";
import { hasData, wasWhole } from "../volume/modes.js";
import { ownLabels } from "../volume/objects.js";
import { addressOf, isServing } from "../volume/serving.js";
import { isComplete } from "../volume/witness.js";
import type { Agents } from "./agents.js";
import { nextCommands } from "./engine-commands.js";
import { EngineDriver } from "./engine-driver.js";
import { engineInstance } from "./engine-instance.js";
import { notReported, replicasOf, reportedStatus } from "./engine-status.js";
import { InstanceKeeper, type Presence } from "./instance-keeper.js";
import { factsOf, newFailure } from "./instance-status.js";
import { purgeFailures } from "./purge-failures.js";
import { followAgents } from "./replica-loop.js";

export function startEngineLoop(store: Store, agents: Agents, events: Events, log: Logger): Loop {
  const keeper = new InstanceKeeper(agents, events, log);
  const driver = new EngineDriver(store, agents, events, log, (engine) => loop.add(engine));
  const loop: Loop = new Loop("engine", store, (name) => reconcile(store, keeper, driver, events, name), log);
  loop
    .follow("Engine", ({ metadata }) => [metadata.name])
    .follow("Witness", async ({ spec }) =>
      (await store.list("Engine", ownLabels(spec.volumeName))).map(({ metadata }) => metadata.name),
    )
    .alsoEnds(() => driver.stop());
  return followAgents(loop, store, agents, "Engine");
}

async function reconcile(
  store: Store,
  keeper: InstanceKeeper,
  driver: EngineDriver,
  events: Events,
  name: string,
): Promise<number | null> {
  const engine = await store.get("Engine", name);
  if (engine === null) {
    driver.forget(name);
    return null;
  }
  const presence = await keeper.keep(engine, async (agent) => {
    const witness = await witnessOf(store, engine);
    const volume = await store.get("Volume", engine.spec.volumeName);
    const hasData = volume !== null && wasWhole(volume);
    const settings = await loadSettings(store);
    const binary = agent.facts?.longhorn ?? "";
    return engineInstance(engine, witness ?? "", hasData, binary, agent.address.host, settings);
  });
  if (presence.is === "waiting") return null;
  const failure = presence.is === "reached" ? newFailure(engine, presence.instance) : null;
  const { purgeStatus } = engine.status;
  const refused = await neverWhole(store, driver.givenUp(engine));
  observe(engine, presence, driver.adding(name), refused, formatTime(Date.now()));
  const stored = await store.updateStatus(engine);
  await tellPurges(store, events, stored, purgeFailures(stored, purgeStatus));
  if (failure !== null) keeper.tellFailedStart(stored, failure);
  if (isDeleted(stored)) {
    if (presence.is === "reached" && presence.instance !== null) return null;
    driver.forget(name);
    await letGo(store, stored);
    return null;
  }
  const report = presence.is === "reached" ? presence.agent.engines.get(name) : undefined;
  if (stored.status.currentState !== "running" || report?.uuid !== stored.status.uuid) return null;
  const healthy = await wholeBefore(store, stored);
  // One that came back at another address is added again, and again when that fails.
  for (const replica of driver.adding(name)) healthy.delete(replica);
  const known = {
    ...{ replicas: replicasOf(report), healthy, witness: report.witness?.address ?? "" },
    wantedWitness: await witnessOf(store, stored),
  };
  return driver.drive(stored, nextCommands(stored, known));
}

async function tellPurges(
  store: Store,
  events: Events,
  { spec }: Resource<"Engine">,
  failures: readonly string[],
): Promise<void> {
  const volume = failures.length === 0 ? null : await store.get("Volume", spec.volumeName);
  if (volume === null) return;
  const tell = tellAs(events, "longhorn-volume-controller");
  for (const message of failures) tell(volume, { type: "Warning", reason: "FailedSnapshotPurge", message });
}

function observe(
  engine: Resource<"Engine">,
  presence: Exclude<Presence, { is: "waiting" }>,
  adding: ReadonlySet<string>,
  refused: readonly string[],
  now: string,
): void {
  const { status, metadata } = engine;
  const before = status.uuid;
  Object.assign(status, factsOf(engine, presence, now));
  if (presence.is === "down") return;
  if (status.uuid !== before || ["stopped", "error"].includes(status.currentState))
    Object.assign(status, notReported(status));
  if (presence.is === "nowhere") return;
  const { agent } = presence;
  const report = agent.engines.get(metadata.name);
  if (status.currentState !== "running" || report?.uuid !== status.uuid) return;
  const portal = formatHostPort({ host: agent.address.host, port: status.port + 1 });
  Object.assign(status, reportedStatus(engine, report, portal, adding, refused, now));
}

/** @returns `ip:port`, of voters with commas between them; "": the volume has none; null: not enough of it runs now */
async function witnessOf(store: Store, { spec }: Resource<"Engine">): Promise<string | null> {
  const witnesses = (await store.list("Witness", ownLabels(spec.volumeName))).filter(
    (one) => !isDeleted(one),
  );
  if (witnesses.length === 0) return "";
  const serving = witnesses.filter(isServing);
  if (!isComplete(witnesses) || serving.length * 2 <= witnesses.length) return null;
  return serving.map(addressOf).sort().join(",");
}

/** What was whole once is not given up: it is tried on and on, in the way of none. */
async function neverWhole(store: Store, names: readonly string[]): Promise<string[]> {
  const replicas = await Promise.all(names.map((name) => store.get("Replica", name)));
  return replicas.flatMap((replica) => (replica === null || hasData(replica) ? [] : [replica.metadata.name]));
}

/** One that was away while the volume grew is not of its size: the engine takes it only as a new one. */
async function wholeBefore(store: Store, { spec, status }: Resource<"Engine">): Promise<Set<string>> {
  const replicas = await Promise.all(
    Object.keys(spec.replicaAddressMap).map((name) => store.get("Replica", name)),
  );
  return new Set(
    replicas.flatMap((replica) =>
      replica !== null &&
      replica.spec.healthyAt !== "" &&
      bytesOf(replica.spec.volumeSize) >= bytesOf(status.currentSize)
        ? [replica.metadata.name]
        : [],
    ),
  );
}
