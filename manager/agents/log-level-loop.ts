/** Has the manager and the agents of all nodes log as much as the setting says. */
import type { Logger } from "pino";
import { DataEngine } from "../../proto/instance-manager.js";
import { Loop } from "../control/loop.js";
import { levelNamed, type LogLevel } from "../log-level.js";
import { loadSettings } from "../settings/stored.js";
import type { Store } from "../store/store.js";
import type { Agent } from "./agent.js";
import { CALL_TIMEOUT_MS } from "./limits.js";

/** Of no node: the manager itself. */
const MANAGER = "";

interface Reached {
  node: string;
  calls: { instances: Pick<NonNullable<Agent["calls"]>["instances"], "logSetLevel"> } | null;
}

interface Nodes {
  get(node: string): Reached | null;
  list(): { node: string }[];
  watch(listener: (agent: { node: string }, change: { of: string }) => void): () => void;
}

export function startLogLevelLoop(store: Store, agents: Nodes, own: LogLevel, log: Logger): Loop {
  const work = async (key: string) => {
    const level = (await loadSettings(store)).text("log-level");
    if (key === MANAGER) own.level = levelNamed(level) ?? own.level;
    else
      await agents
        .get(key)
        ?.calls?.instances.logSetLevel(
          { level, dataEngine: DataEngine.DATA_ENGINE_V1 },
          { timeoutMs: CALL_TIMEOUT_MS },
        );
    return null;
  };
  const all = () => [MANAGER, ...agents.list().map(({ node }) => node)];
  const loop = new Loop("log-level", store, work, log);
  return loop
    .follow("Setting", ({ metadata }) => (metadata.name === "log-level" ? all() : []))
    .alsoEnds(
      agents.watch(({ node }, { of }) => {
        // It may have been started anew.
        if (of === "node") loop.add(node);
      }),
    );
}
