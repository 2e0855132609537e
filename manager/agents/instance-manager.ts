/** The InstanceManager object of a node: its agent, and what runs there. Pure. */
import { createHash } from "node:crypto";
import type { InstanceResponse } from "../../proto/instance-manager.js";
import type { Resource } from "../objects/resource.js";
import type { Agent } from "./agent.js";

type Status = Resource<"InstanceManager">["status"];

/** Longhorn's names: a hash that is the same whenever it is made. */
export function instanceManagerName(node: string): string {
  return `instance-manager-${createHash("sha256").update(node).digest("hex").slice(0, 32)}`;
}

/** Versions of Longhorn's instance manager services that are served: instance-manager.md section 5. */
const VERSIONS = { apiVersion: 6, apiMinVersion: 1, proxyApiVersion: 5, proxyApiMinVersion: 1 };

export function instanceManagerStatus(agent: Agent, before: Status): Status {
  const reached = agent.calls !== null;
  const currentState = reached ? "running" : agent.isDown ? "unknown" : before.currentState;
  const common = { ...before, ...VERSIONS, currentState, ip: agent.address.host, ownerID: agent.node };
  if (!reached) return common;
  const [engines, replicas] = [new Map<string, InstanceResponse>(), new Map<string, InstanceResponse>()];
  for (const [name, one] of agent.instances)
    (one.spec?.type === "engine" ? engines : replicas).set(name, one);
  return { ...common, instanceEngines: processes(engines), instanceReplicas: processes(replicas) };
}

function processes(instances: ReadonlyMap<string, InstanceResponse>): Status["instanceEngines"] {
  return Object.fromEntries([...instances].map(([name, instance]) => [name, processOf(name, instance)]));
}

function processOf(name: string, { spec, status }: InstanceResponse): Status["instanceEngines"][string] {
  return {
    spec: { name, dataEngine: "v1" },
    status: {
      ...{ type: spec?.type ?? "", state: status?.state ?? "", errorMsg: status?.errorMsg ?? "" },
      ...{ portStart: status?.portStart ?? 0, portEnd: status?.portEnd ?? 0, uuid: status?.uuid ?? "" },
      ...{ targetPortStart: status?.targetPortStart ?? 0, targetPortEnd: status?.targetPortEnd ?? 0 },
      ...{ conditions: status?.conditions ?? {}, endpoint: "", listen: "", resourceVersion: 0, ublkID: 0 },
    },
  };
}
