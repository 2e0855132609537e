/** Facts to be explained: a volume with two copies, on three nodes, as it is when nothing is wrong. */
import type { EventResource, Node, Volume } from "../../../../rest-client/resources.js";
import type { Facts } from "../facts.js";

const NOW = Date.parse("2026-01-01T12:00:00Z");
const SETTINGS: [string, string][] = [
  ["auto-salvage", "true"],
  ["replica-replenishment-wait-interval", "600"],
  ["concurrent-replica-rebuild-per-node-limit", "5"],
];

type Replica = Volume["replicas"][number];
type Ticket = Volume["volumeAttachment"]["attachments"][string];

export function condition(type: string, status = "True", reason = "", message = "") {
  return { type, status, reason, message, lastProbeTime: "", lastTransitionTime: "" };
}

export function node(name: string, change: Partial<Node> = {}): Node {
  const disk = { path: "/disk", diskUUID: `disk-of-${name}`, allowScheduling: true, evictionRequested: false, conditions: { Ready: condition("Ready") } }; // prettier-ignore
  const fields = { id: name, name, allowScheduling: true, evictionRequested: false, autoEvicting: false, conditions: { Ready: condition("Ready") }, disks: { main: disk } }; // prettier-ignore
  return { ...(fields as unknown as Node), ...change };
}

export function downNode(name: string): Node {
  return node(name, {
    conditions: { Ready: condition("Ready", "False", "KubernetesNodeNotReady", `the agent of node ${name} cannot be reached`) }, // prettier-ignore
  });
}

export function replica(n: number, change: Partial<Replica> = {}): Replica {
  const name = `data-r-${n}`;
  const fields = { name, hostId: `node-${n}`, diskID: `disk-of-node-${n}`, mode: "RW", running: true, failedAt: "" }; // prettier-ignore
  return { ...(fields as Replica), ...change };
}

/** @param minute of the hour before */
export function failed(n: number, minute: number, change: Partial<Replica> = {}): Replica {
  const failedAt = `2026-01-01T11:${String(minute).padStart(2, "0")}:00Z`;
  return replica(n, { mode: "", running: false, failedAt, ...change });
}

export function ticket(nodeID: string, satisfied: boolean, change: Partial<Ticket> = {}): Ticket {
  return { attachmentID: "", attachmentType: "longhorn-api", nodeID, satisfied, conditions: [], parameters: {}, ...change }; // prettier-ignore
}

export function tickets(...all: Ticket[]): Volume["volumeAttachment"] {
  return { volume: "data", attachments: Object.fromEntries(all.map((one) => [one.attachmentID, one])) };
}

export function controller(change: object = {}) {
  return { hostId: "node-1", size: "10737418240", isExpanding: false, lastExpansionError: "", lastExpansionFailedAt: "", ...change }; // prettier-ignore
}

export function event(reason: string, message: string, type = "Warning", count = 1): EventResource {
  const lastTimestamp = "2026-01-01T11:55:00Z";
  const involvedObject = { kind: "Engine", name: "data-e-0", uid: "" };
  return {
    id: reason,
    event: { type, reason, message, lastTimestamp, count, involvedObject },
  } as EventResource;
}

export function facts(volume: object, change: Partial<Facts> = {}): Facts {
  const fields = {
    name: "data",
    actions: {},
    state: "attached",
    robustness: "healthy",
    frontend: "blockdev",
    size: "10737418240",
    numberOfReplicas: 2,
    replicas: [replica(1), replica(2)],
    controllers: [controller()],
    volumeAttachment: tickets(ticket("node-1", true)),
    rebuildStatus: [],
    purgeStatus: null,
    conditions: { Scheduled: condition("Scheduled") },
    dataSource: "",
    cloneStatus: { state: "", sourceVolume: "", snapshot: "", attemptCount: 0, nextAllowedAttemptAt: "" },
    restoreRequired: false,
    nodeSelector: [],
    diskSelector: [],
    snapshotMaxCount: 250,
    staleReplicaTimeout: 0,
    ...volume,
  };
  return {
    volume: fields as unknown as Volume,
    nodes: [node("node-1"), node("node-2"), node("node-3")],
    events: [],
    source: null,
    unfinishedCopies: [],
    unknownJobs: [],
    now: NOW,
    ...change,
    settings: new Map([...SETTINGS, ...(change.settings ?? [])]),
  };
}

/** Nobody wants it. */
export const DETACHED = {
  state: "detached",
  robustness: "unknown",
  volumeAttachment: tickets(),
  replicas: [replica(1, { mode: "", running: false }), replica(2, { mode: "", running: false })],
};

export const FAULTED = {
  ...DETACHED,
  robustness: "faulted",
  volumeAttachment: tickets(ticket("node-1", false)),
};
