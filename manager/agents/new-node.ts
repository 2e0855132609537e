/** Nodes that have no object yet: one is made at once, so that whoever waits for the node sees why; its first disk when its agent is reached. */
import { createHash } from "node:crypto";
import type { Resource } from "../objects/resource.js";
import type { SettingValues } from "../settings/settings.js";
import type { Store } from "../store/store.js";
import type { Agent, AgentCalls } from "./agent.js";
import { CALL_TIMEOUT_MS } from "./limits.js";

/** Of a node whose agent was never reached: one without disks may be meant to have none. */
const AWAITS_DISK = "aurochs.io/awaits-first-disk";

export function createNode(store: Store, name: string): Promise<Resource<"Node">> {
  return store.create({
    kind: "Node",
    name,
    annotations: { [AWAITS_DISK]: "true" },
    spec: { name, allowScheduling: true },
  });
}

/** The first disk is where the agent says, or the setting; none if somebody has given the node others meanwhile.
 * @returns the node as it is then */
export async function giveFirstDisk(
  store: Store,
  node: Resource<"Node">,
  agent: Agent,
  calls: AgentCalls,
  settings: SettingValues,
): Promise<Resource<"Node">> {
  const { [AWAITS_DISK]: awaits, ...annotations } = node.metadata.annotations;
  if (awaits === undefined) return node;
  const disks = Object.keys(node.spec.disks).length > 0 ? node.spec.disks : await firstDisk(agent, calls, settings); // prettier-ignore
  return store.update({
    ...node,
    metadata: { ...node.metadata, annotations },
    spec: { ...node.spec, disks },
  });
}

async function firstDisk(
  { node, facts }: Agent,
  calls: AgentCalls,
  settings: SettingValues,
): Promise<Resource<"Node">["spec"]["disks"]> {
  const path = facts?.dataPath || settings.text("default-data-path");
  const name = `default-disk-${createHash("sha256").update(`${node} ${path}`).digest("hex").slice(0, 12)}`;
  const { capacity } = await calls.node.diskInit({ name, path, uuid: "" }, { timeoutMs: CALL_TIMEOUT_MS });
  const percent = settings.number("storage-reserved-percentage-for-default-disk");
  return {
    [name]: {
      ...{ path, diskType: "filesystem", diskDriver: "", allowScheduling: true, evictionRequested: false },
      ...{ storageReserved: Math.floor((capacity * percent) / 100), tags: [] },
    },
  };
}
