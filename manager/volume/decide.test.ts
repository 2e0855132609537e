import fc from "fast-check";
import t from "tap";
import { noted } from "../objects/conditions.js";
import type { Resource } from "../objects/resource.js";
import { isLeftBehind, salvageFrom } from "./forced-salvage.js";
import { checkReplicaRemoval, checkSalvage, isForceable } from "./replica-rules.js";
import { hasEndedBadly } from "./restart.js";
import { addressOf } from "./serving.js";
import { SimulatedCluster } from "./testing/simulated-cluster.js";

const NODES = ["a", "b", "c", "d"];

function settle(cluster: SimulatedCluster, rounds = 12, stepMs = 1_000): void {
  for (let round = 0; round < rounds; round++) {
    cluster.decide();
    cluster.work();
    cluster.now += stepMs;
  }
}

function attached(node = "a", replicas = 2): SimulatedCluster {
  const cluster = new SimulatedCluster(NODES, replicas);
  cluster.ticket = node;
  settle(cluster);
  return cluster;
}

const nodesOf = (cluster: SimulatedCluster) => cluster.replicas.map(({ spec }) => spec.nodeID).sort();

t.test(
  "a volume is placed on as many nodes as it wants replicas, attached where its ticket says, and detached",
  async (t) => {
    const cluster = new SimulatedCluster(NODES, 2);
    settle(cluster, 3);
    t.match(cluster.volume?.status, {
      state: "detached",
      conditions: [{ type: "Scheduled", status: "True" }],
    });
    t.equal(new Set(nodesOf(cluster)).size, 2);
    cluster.ticket = "c";
    settle(cluster);
    t.match(cluster.volume?.status, { state: "attached", currentNodeID: "c", robustness: "healthy" });
    cluster.ticket = "";
    settle(cluster);
    t.match(cluster.volume?.status, { state: "detached", currentNodeID: "", robustness: "unknown" });
    t.match(cluster.engine?.status.currentState, "stopped");
  },
);

t.test(
  "a replica that comes back within the wait is used again; one that does not gets a successor elsewhere",
  async (t) => {
    const cluster = attached();
    const [lost = ""] = nodesOf(cluster)
      .filter((node) => node !== "a")
      .concat("b");
    const before = cluster.replicas.map(({ metadata }) => metadata.name);
    cluster.down.add(lost);
    settle(cluster, 30, 10_000);
    t.equal(cluster.volume?.status.robustness, "degraded");
    cluster.down.delete(lost);
    settle(cluster);
    t.equal(cluster.volume?.status.robustness, "healthy");
    t.strictSame(
      cluster.replicas.map(({ metadata }) => metadata.name),
      before,
    );
    cluster.down.add(lost);
    settle(cluster, 80, 10_000);
    t.equal(cluster.volume?.status.robustness, "healthy");
    t.equal(cluster.current.size, 2);
    t.ok(
      cluster.replicas.some(({ spec }) => spec.nodeID === lost && spec.failedAt !== ""),
      "it is kept for now",
    );
  },
);

t.test(
  "a copy that was removed while the volume was detached is given to the next engine, which lets it go",
  async (t) => {
    const cluster = attached();
    cluster.ticket = "";
    settle(cluster);
    const [first] = cluster.replicas;
    if (first === undefined) throw new Error("none");
    Object.assign(first.metadata, { deletionTimestamp: "2030-01-01T00:00:00Z" });
    settle(cluster);
    t.equal(cluster.replicas.length, 2, "it stays until then");
    cluster.down.add(first.spec.nodeID);
    const away = NODES.find((node) => node !== first.spec.nodeID) ?? "";
    cluster.ticket = away;
    settle(cluster, 30);
    t.match(cluster.volume?.status, { state: "attached", robustness: "healthy" });
    cluster.down.delete(first.spec.nodeID);
    settle(cluster);
    t.notOk(cluster.replicas.some(({ metadata }) => metadata.name === first.metadata.name));
    t.equal(cluster.current.size, 2);
  },
);

t.test("a copy that is to go is what an engine starts from while the other one is away", async (t) => {
  const cluster = attached();
  cluster.ticket = "";
  settle(cluster);
  const [going, away] = cluster.replicas;
  if (going === undefined || away === undefined) throw new Error("none");
  cluster.down.add(away.spec.nodeID);
  Object.assign(going.metadata, { deletionTimestamp: "2030-01-01T00:00:00Z" });
  settle(cluster);
  t.strictSame(cluster.upkeep, [], "nothing is attached for what cannot be done now");
  cluster.ticket = NODES.find((node) => node !== away.spec.nodeID) ?? "";
  settle(cluster);
  t.match(cluster.volume?.status, { state: "attached", robustness: "degraded" });
  t.ok(
    cluster.replicas.some(({ metadata }) => metadata.name === going.metadata.name),
    "it has all that there is",
  );
  cluster.down.delete(away.spec.nodeID);
  settle(cluster, 30);
  t.match(cluster.volume?.status, { state: "attached", robustness: "healthy" });
  t.notOk(cluster.replicas.some(({ metadata }) => metadata.name === going.metadata.name));
  t.equal(cluster.current.size, 2);
});

t.test("a copy that is away has failed when an engine serves without it, and not before", async (t) => {
  const cluster = attached();
  cluster.ticket = "";
  settle(cluster);
  const [away, there] = cluster.replicas;
  if (away === undefined || there === undefined) throw new Error("none");
  cluster.down.add(away.spec.nodeID);
  const failedAt = () => cluster.replicas.find(({ metadata }) => metadata.name === away.metadata.name)?.spec.failedAt; // prettier-ignore
  cluster.ticket = there.spec.nodeID;
  cluster.unfit.add(there.spec.nodeID);
  settle(cluster);
  t.ok(cluster.starts > 1);
  t.equal(failedAt(), "");
  cluster.unfit.clear();
  settle(cluster, 60, 10_000);
  t.equal(cluster.volume?.status.state, "attached");
  t.not(failedAt(), "");
});

t.test("a replica whose disk is lost is stopped, and not tried again before the disk is back", async (t) => {
  const cluster = attached();
  cluster.settings.set("replica-replenishment-wait-interval", "86400");
  const lost = cluster.replicas.find(({ spec }) => spec.nodeID !== cluster.volume?.status.currentNodeID);
  if (lost === undefined) throw new Error("both are on one node");
  const { name } = lost.metadata;
  const of = () => cluster.replicas.find(({ metadata }) => metadata.name === name)?.spec;
  const setReady = (status: string, reason: string) => {
    const node = cluster.nodes.find(({ metadata }) => metadata.name === lost.spec.nodeID);
    Object.assign(node?.status.diskStatus["d"]?.conditions[0] ?? {}, { status, reason });
  };
  setReady("False", "NoDiskInfo");
  settle(cluster);
  t.match(of(), { desireState: "running", failedAt: "" }, "what is whole goes on");
  cluster.crash(name);
  settle(cluster, 20, 10_000);
  t.match(of(), { desireState: "stopped", rebuildRetryCount: 1 });
  setReady("True", "");
  settle(cluster);
  t.match(of(), { desireState: "running", failedAt: "" });
  t.equal(cluster.volume?.status.robustness, "healthy");
});

t.test(
  "on a disk that is lost no replica is started: the volume does without it, or waits for it",
  async (t) => {
    for (const copies of [2, 1]) {
      const cluster = attached("a", copies);
      cluster.settings.set("replica-replenishment-wait-interval", "86400");
      cluster.ticket = "";
      settle(cluster);
      const [lost] = cluster.replicas;
      if (lost === undefined) throw new Error("it has no replica");
      const { name } = lost.metadata;
      const of = () => cluster.replicas.find(({ metadata }) => metadata.name === name)?.spec;
      const node = cluster.nodes.find(({ metadata }) => metadata.name === lost.spec.nodeID);
      const condition = node?.status.diskStatus["d"]?.conditions[0] ?? {};
      Object.assign(condition, { status: "False", reason: "NoDiskInfo" });
      cluster.ticket = "a";
      settle(cluster);
      t.match(of(), { desireState: "stopped" });
      t.equal(cluster.volume?.status.state, copies === 1 ? "attaching" : "attached");
      Object.assign(condition, { status: "True", reason: "" });
      settle(cluster);
      t.match(of(), { desireState: "running", failedAt: "" });
      t.match(cluster.volume?.status, { state: "attached", robustness: "healthy" });
    }
  },
);

t.test(
  "what does not end on a disk that hangs keeps no volume from being detached, and used elsewhere",
  async (t) => {
    const cluster = attached();
    cluster.settings.set("replica-replenishment-wait-interval", "86400");
    const [lost, other] = cluster.replicas;
    if (lost === undefined || other === undefined) throw new Error("two copies");
    const { name } = lost.metadata;
    const of = () => cluster.replicas.find(({ metadata }) => metadata.name === name);
    const node = cluster.nodes.find(({ metadata }) => metadata.name === lost.spec.nodeID);
    const condition = node?.status.diskStatus["d"]?.conditions[0] ?? {};
    cluster.hanging.add(lost.spec.nodeID);
    cluster.ticket = "";
    settle(cluster);
    t.equal(cluster.volume?.status.state, "detaching", "it is waited for until the disk is known to be lost");
    Object.assign(condition, { status: "False", reason: "NoDiskInfo" });
    settle(cluster);
    t.equal(cluster.volume?.status.state, "detached");
    t.match(of(), { spec: { failedAt: "" }, status: { currentState: "stopping" } }, "no engine went on without it"); // prettier-ignore
    cluster.ticket = NODES.find((one) => one !== "a" && one !== lost.spec.nodeID) ?? "";
    settle(cluster);
    t.match(cluster.volume?.status, {
      state: "attached",
      currentNodeID: cluster.ticket,
      robustness: "degraded",
    });
    t.strictSame(Object.keys(cluster.engine?.spec.replicaAddressMap ?? {}), [other.metadata.name]);
    t.strictSame([...cluster.current], [other.metadata.name]);
    t.not(of()?.spec.failedAt, "");
    Object.assign(condition, { status: "True", reason: "" });
    cluster.hanging.clear();
    settle(cluster);
    t.match(cluster.volume?.status, { state: "attached", robustness: "healthy" });
  },
);

t.test("a witness whose disk is lost is not started, nor waited for, until that is back", async (t) => {
  const cluster = attached();
  cluster.ticket = "";
  settle(cluster);
  const [witness] = cluster.witnesses;
  const node = cluster.nodes.find(({ metadata }) => metadata.name === witness?.spec.nodeID);
  const condition = node?.status.diskStatus["d"]?.conditions[0] ?? {};
  Object.assign(condition, { status: "False", reason: "NoDiskInfo" });
  cluster.ticket = "a";
  settle(cluster);
  t.match(cluster.volume?.status, { state: "attached", robustness: "healthy" });
  t.match(cluster.witnesses, [{ status: { currentState: "stopped" } }]);
  Object.assign(condition, { status: "True", reason: "" });
  settle(cluster);
  t.match(cluster.witnesses, [{ metadata: { name: witness?.metadata.name }, status: { currentState: "running" } }]); // prettier-ignore
});

t.test(
  "a copy that its node does not start fails when an engine serves without it, and not before",
  async (t) => {
    const cluster = attached();
    cluster.settings.set("replica-replenishment-wait-interval", "86400");
    cluster.ticket = "";
    settle(cluster);
    const [stuck, other] = cluster.replicas;
    if (stuck === undefined || other === undefined) throw new Error("two copies");
    const of = () => cluster.replicas.find(({ metadata }) => metadata.name === stuck.metadata.name)?.spec;
    cluster.refusing.add(stuck.spec.nodeID);
    cluster.down.add(other.spec.nodeID);
    cluster.ticket = NODES.find((one) => one !== other.spec.nodeID) ?? "";
    settle(cluster, 40);
    t.match(cluster.volume?.status, { state: "attaching", robustness: "unknown" });
    t.match(of(), { failedAt: "" });
    cluster.down.clear();
    settle(cluster);
    t.match(
      cluster.volume?.status,
      { state: "attached", robustness: "degraded" },
      "the other copy is enough",
    );
    t.not(of()?.failedAt, "");
    t.strictSame([...cluster.current], [other.metadata.name]);
    cluster.refusing.clear();
    settle(cluster, 60, 10_000);
    t.match(cluster.volume?.status, { state: "attached", robustness: "healthy" });
  },
);

t.test("new copies that their nodes do not start are made ever later", async (t) => {
  const cluster = attached();
  for (const node of NODES) cluster.refusing.add(node);
  if (cluster.volume !== null) cluster.volume.spec.numberOfReplicas = 3;
  const made = () => cluster.log.filter((line) => line.includes("made v-r-")).length;
  const before = made();
  settle(cluster, 600);
  t.ok(made() - before > 2, "it is tried again");
  t.ok(made() - before < 8, `${made() - before} in ten minutes`);
  t.match(cluster.volume?.status, { state: "attached", robustness: "degraded" });
  cluster.refusing.clear();
  settle(cluster, 400);
  t.match(cluster.volume?.status, { state: "attached", robustness: "healthy" });
  t.equal(cluster.replicas.length, 3);
});

t.test("a new copy that its node does not start is made on another one next", async (t) => {
  const cluster = attached();
  const used = [...nodesOf(cluster), ...cluster.witnesses.map(({ spec }) => spec.nodeID)];
  const roomiest = cluster.nodes.find(({ metadata }) => !used.includes(metadata.name));
  const disk = roomiest?.status.diskStatus["d"];
  if (roomiest === undefined || disk === undefined) throw new Error("there is no other node");
  for (const room of ["storageMaximum", "storageAvailable"] as const) disk[room] *= 2;
  cluster.refusing.add(roomiest.metadata.name);
  if (cluster.volume !== null) cluster.volume.spec.numberOfReplicas = 3;
  settle(cluster, 60);
  t.match(cluster.volume?.status, { state: "attached", robustness: "healthy" });
  t.notOk(nodesOf(cluster).includes(roomiest.metadata.name));
});

t.test("a volume that nobody uses is not attached for a copy whose disk is lost", async (t) => {
  const cluster = new SimulatedCluster(["a", "b"], 2);
  cluster.settings.set("offline-replica-rebuilding", '{"v1":"true","v2":"false"}');
  cluster.ticket = "a";
  settle(cluster);
  cluster.ticket = "";
  settle(cluster);
  const [failed] = cluster.replicas;
  if (failed === undefined) throw new Error("two copies");
  failed.spec.failedAt = failed.spec.lastFailedAt = new Date(cluster.now).toISOString();
  const node = cluster.nodes.find(({ metadata }) => metadata.name === failed.spec.nodeID);
  const condition = node?.status.diskStatus["d"]?.conditions[0] ?? {};
  Object.assign(condition, { status: "False", reason: "NoDiskInfo" });
  cluster.decide();
  t.strictSame(cluster.upkeep, []);
  Object.assign(condition, { status: "True", reason: "" });
  cluster.decide();
  t.strictSame(cluster.upkeep, ["volume-rebuilding-controller"]);
});

t.test("nowhere to go: degraded, and every node says why", async (t) => {
  const cluster = new SimulatedCluster(["a", "b"], 3);
  cluster.ticket = "a";
  settle(cluster);
  t.equal(cluster.volume?.status.robustness, "degraded");
  const [condition] = cluster.volume?.status.conditions ?? [];
  t.match(condition, { type: "Scheduled", status: "False", reason: "ReplicaSchedulingFailure" });
  t.match(
    condition?.message,
    /hard affinity cannot be satisfied\na: another replica is on the node\nb: another/,
  );
});

t.test("a replica on a node that is evicted has a successor that is whole before it goes", async (t) => {
  const cluster = attached();
  const [leaving = ""] = nodesOf(cluster);
  const node = cluster.nodes.find(({ metadata }) => metadata.name === leaving);
  if (node !== undefined) Object.assign(node.spec, { evictionRequested: true, allowScheduling: false });
  settle(cluster, 20);
  t.notOk(nodesOf(cluster).includes(leaving));
  t.equal(cluster.current.size, 2);
});

t.test(
  "without another place a replica stays on a node that is evicted, and every node says why",
  async (t) => {
    const cluster = new SimulatedCluster(["a", "b"], 2);
    cluster.ticket = "a";
    settle(cluster);
    for (const { metadata, spec } of cluster.nodes)
      if (metadata.name === "a") Object.assign(spec, { evictionRequested: true, allowScheduling: false });
    settle(cluster, 20);
    t.strictSame(nodesOf(cluster), ["a", "b"]);
    const told = cluster.log.findLast((line) => line.includes("EvictionFailed")) ?? "";
    t.match(told, /no other place for a replica of volume \S+: nodes are unavailable; hard affinity/);
    t.match(told, /\na: scheduling is switched off for the node\nb: another replica is on the node/);
  },
);

t.test("an empty replica leaves a node that is evicted without its volume being attached", async (t) => {
  const cluster = new SimulatedCluster(["a", "b", "c"], 2);
  settle(cluster, 3);
  const evict = (name: string) => {
    const node = cluster.nodes.find(({ metadata }) => metadata.name === name);
    if (node !== undefined) Object.assign(node.spec, { evictionRequested: true, allowScheduling: false });
  };
  const [leaving = "", staying = ""] = nodesOf(cluster);
  evict(leaving);
  settle(cluster, 3);
  t.strictSame(nodesOf(cluster), ["a", "b", "c"].filter((node) => node !== leaving)); // prettier-ignore
  t.equal(cluster.starts, 0);
  evict(staying);
  settle(cluster, 3);
  t.ok(nodesOf(cluster).includes(staying), "there is no other place");
  t.match(
    cluster.log.findLast((line) => line.includes("EvictionFailed")),
    /no other place for a replica/,
  );
});

t.test(
  "beside a whole copy an empty one leaves, and another one is made when there is an engine",
  async (t) => {
    const cluster = attached();
    cluster.ticket = "";
    settle(cluster);
    const [empty] = cluster.replicas;
    const from = empty?.spec.nodeID ?? "";
    if (empty !== undefined) empty.spec.healthyAt = "";
    cluster.current.delete(empty?.metadata.name ?? "");
    for (const { metadata, spec } of cluster.nodes)
      if (metadata.name === from) Object.assign(spec, { evictionRequested: true, allowScheduling: false });
    settle(cluster, 3);
    t.equal(nodesOf(cluster).length, 1);
    cluster.ticket = nodesOf(cluster)[0] ?? "";
    settle(cluster, 20);
    t.equal(cluster.volume?.status.robustness, "healthy");
    t.notOk(nodesOf(cluster).includes(from));
  },
);

t.test("more replicas are made and fewer are kept as the number says", async (t) => {
  const cluster = attached();
  if (cluster.volume !== null) cluster.volume.spec.numberOfReplicas = 3;
  cluster.settings.set("replica-replenishment-wait-interval", "0");
  settle(cluster, 20);
  t.equal(cluster.current.size, 3);
  if (cluster.volume !== null) cluster.volume.spec.numberOfReplicas = 1;
  settle(cluster, 20);
  t.equal(cluster.replicas.length, 1);
});

t.test("best-effort locality brings a copy to where the volume is used", async (t) => {
  const cluster = new SimulatedCluster(NODES, 2);
  settle(cluster, 3);
  cluster.ticket = NODES.find((node) => !nodesOf(cluster).includes(node)) ?? "";
  if (cluster.volume !== null) cluster.volume.spec.dataLocality = "best-effort";
  settle(cluster, 30);
  t.ok(nodesOf(cluster).includes(cluster.ticket));
  t.equal(cluster.replicas.length, 2);
});

t.test(
  "where other copies are being made, one that moves or comes back there waits, and is looked at again",
  async (t) => {
    const ways: [what: string, prepare: (cluster: SimulatedCluster, node: string) => void][] = [
      [
        "home",
        (cluster, node) => {
          Object.assign(cluster.volume?.spec ?? {}, { dataLocality: "best-effort" });
          const failed = structuredClone(cluster.replicas[0]);
          if (failed === undefined) throw new Error("it has no replica");
          const failedAt = new Date(cluster.now).toISOString();
          Object.assign(failed.metadata, { name: "v-r-home" });
          Object.assign(failed.spec, {
            nodeID: node,
            diskID: `${node}-disk`,
            failedAt,
            desireState: "stopped",
          });
          failed.status.currentState = "stopped";
          cluster.replicas = [...cluster.replicas, failed];
        },
      ],
      [
        "balance",
        (cluster, node) => {
          const zones = cluster.nodes.filter(({ metadata }) => metadata.name !== node);
          for (const { status } of zones) status.zone = "crowded";
          cluster.settings.set("replica-auto-balance", "least-effort");
        },
      ],
      [
        "back",
        (cluster, node) => {
          const [replica] = cluster.replicas;
          if (replica === undefined) throw new Error("it has no replica");
          Object.assign(replica.spec, { nodeID: node, diskID: `${node}-disk` });
          cluster.settings.set("replica-replenishment-wait-interval", "86400");
          cluster.crash(replica.metadata.name);
        },
      ],
    ];
    for (const [what, prepare] of ways) {
      const cluster = new SimulatedCluster(NODES, 2);
      if (cluster.volume !== null) cluster.volume.spec.dataLocality = "disabled";
      settle(cluster, 3);
      const node = NODES.find((one) => !nodesOf(cluster).includes(one)) ?? "";
      cluster.ticket = node;
      settle(cluster);
      t.notOk(nodesOf(cluster).includes(node));
      cluster.rebuilding.set(node, 5);
      prepare(cluster, node);
      settle(cluster, 5);
      t.ok((cluster.lookAgainAt ?? Infinity) <= cluster.now + 30_000, what);
    }
  },
);

const strictlyLocal = (): SimulatedCluster => {
  const cluster = new SimulatedCluster(NODES, 1);
  if (cluster.volume !== null) cluster.volume.spec.dataLocality = "strict-local";
  return cluster;
};

t.test(
  "a strict-local volume has its copy where it is first attached, and is attached nowhere else",
  async (t) => {
    for (const node of NODES) {
      const cluster = strictlyLocal();
      settle(cluster, 3);
      t.equal(cluster.replicas.length, 0, "it has none before it is known where");
      t.match(cluster.volume?.status, { state: "detached", conditions: [{ type: "Scheduled", status: "True" }] }); // prettier-ignore
      cluster.ticket = node;
      settle(cluster);
      t.match(cluster.volume?.status, { state: "attached", currentNodeID: node, robustness: "healthy" });
      t.strictSame(nodesOf(cluster), [node]);
      cluster.ticket = node === "b" ? "c" : "b";
      settle(cluster);
      t.match(cluster.volume?.status, { state: "detached", currentNodeID: "" });
      t.strictSame(nodesOf(cluster), [node]);
      cluster.ticket = node;
      settle(cluster);
      t.match(cluster.volume?.status, { state: "attached", currentNodeID: node, robustness: "healthy" });
    }
  },
);

t.test(
  "a strict-local volume waits for room on its node, and an empty copy follows it elsewhere",
  async (t) => {
    const cluster = strictlyLocal();
    const [a] = cluster.nodes;
    if (a !== undefined) a.spec.allowScheduling = false;
    cluster.ticket = "a";
    settle(cluster);
    t.match(cluster.volume?.status, { state: "attaching" });
    const [condition] = cluster.volume?.status.conditions ?? [];
    t.match(condition, { type: "Scheduled", status: "False", reason: "ReplicaSchedulingFailure" });
    t.match(condition?.message, /nodes are unavailable\na: .*\nb: the replica has to be on node a/);
    if (a !== undefined) a.spec.allowScheduling = true;
    cluster.unfit.add("a");
    settle(cluster, 40);
    t.strictSame(nodesOf(cluster), ["a"]);
    cluster.ticket = "b";
    settle(cluster, 20);
    t.match(cluster.volume?.status, { state: "attached", currentNodeID: "b", robustness: "healthy" });
    t.strictSame(nodesOf(cluster), ["b"]);
  },
);

t.test("a strict-local volume stays on its node when that is evicted", async (t) => {
  const cluster = strictlyLocal();
  cluster.ticket = "a";
  settle(cluster);
  const [a] = cluster.nodes;
  if (a !== undefined) Object.assign(a.spec, { evictionRequested: true, allowScheduling: false });
  settle(cluster, 20);
  t.strictSame(nodesOf(cluster), ["a"]);
  t.equal(cluster.current.size, 1);
  t.ok(cluster.log.some((line) => line.includes("EvictionFailed")));
});

t.test("all replicas failed: tried again by itself once they can be reached", async (t) => {
  const cluster = attached();
  for (const { metadata } of cluster.replicas) cluster.crash(metadata.name);
  cluster.crash("v-e-0");
  settle(cluster, 30);
  t.match(cluster.volume?.status, { state: "attached", robustness: "healthy" });
  t.ok(
    cluster.log.some((line) => line.includes("AutoSalvaged")),
    cluster.log.join("\n"),
  );
  for (const replica of cluster.replicas) t.doesNotThrow(() => checkReplicaRemoval(replica, cluster.replicas)); // prettier-ignore
});

t.test("the only replica of a new volume ends before it was used: it is started again", async (t) => {
  const cluster = new SimulatedCluster(NODES, 1);
  cluster.ticket = "a";
  while (cluster.replicas[0]?.status.currentState !== "running") settle(cluster, 1);
  cluster.crash(cluster.replicas[0].metadata.name);
  settle(cluster, 60);
  t.match(cluster.volume?.status, { state: "attached", robustness: "healthy" }, cluster.log.join("\n"));
  t.equal(cluster.replicas[0].spec.failedAt, "");
});

t.test("an engine that fails at its start is started again after a pause that grows", async (t) => {
  const cluster = new SimulatedCluster(NODES, 2);
  settle(cluster, 3);
  cluster.unfit.add("a");
  cluster.ticket = "a";
  const pauses: number[] = [];
  for (let last = 0; pauses.length < 6;) {
    const { starts } = cluster;
    while (cluster.starts === starts) settle(cluster, 1);
    if (last !== 0) pauses.push((cluster.now - last) / 1_000);
    last = cluster.now;
    settle(cluster, 1);
    t.equal(cluster.volume?.status.state, "attaching");
    settle(cluster, 2);
    const { lookAgainAt, now } = cluster;
    t.ok(lookAgainAt !== null && lookAgainAt > now && lookAgainAt <= now + 60_000, "it is looked at in time");
  }
  // A round or two pass until it is seen.
  t.strictSame(pauses.map((seconds) => Math.floor(seconds / 5) * 5), [5, 10, 20, 40, 60, 60]); // prettier-ignore
  cluster.ticket = "b";
  settle(cluster, 6);
  t.match(cluster.volume?.status, { state: "attached", currentNodeID: "b" }, "elsewhere at once");
  cluster.ticket = "a";
  cluster.unfit.clear();
  settle(cluster, 8);
  t.match(cluster.volume?.status, { state: "attached", currentNodeID: "a" });
  t.strictSame(cluster.engine?.metadata.annotations, {});
});

t.test("an engine that failed is started at once with a copy that it did not have", async (t) => {
  const cluster = attached("a");
  const [, away = ""] = nodesOf(cluster);
  cluster.ticket = "";
  settle(cluster);
  cluster.down.add(away);
  cluster.unfit.add("a");
  cluster.ticket = "a";
  settle(cluster, 100);
  const { starts } = cluster;
  while (cluster.starts === starts) settle(cluster, 1);
  settle(cluster, 10);
  t.equal(cluster.starts, starts + 1, "it waits");
  cluster.unfit.clear();
  cluster.down.delete(away);
  settle(cluster, 6);
  t.match(cluster.volume?.status, { state: "attached" });
});

t.test("a volume with data whose replicas are all gone gets no empty ones: it is faulted", async (t) => {
  const cluster = attached();
  cluster.ticket = "";
  settle(cluster);
  cluster.replicas = [];
  cluster.ticket = "b";
  settle(cluster);
  t.strictSame(cluster.replicas, []);
  t.match(cluster.volume?.status, { state: "detached", robustness: "faulted" });
  t.ok(
    cluster.log.some((line) =>
      line.includes("Faulted: volume v became faulted: it has data, and no replica"),
    ),
  );
});

t.test(
  "a copy that was tried often, or failed long ago, is kept until there are as many as are wanted",
  async (t) => {
    const cluster = new SimulatedCluster(["a", "b"], 2);
    cluster.ticket = "a";
    settle(cluster);
    const old = cluster.replicas.find(({ spec }) => spec.nodeID === "b");
    if (old === undefined) throw new Error("there is none");
    const { name } = old.metadata;
    const isThere = () => cluster.replicas.some(({ metadata }) => metadata.name === name);
    cluster.down.add("b");
    settle(cluster, 3);
    old.spec.rebuildRetryCount = 5;
    settle(cluster, 40, 200_000_000);
    t.ok(isThere(), "the only other one may be lost next");
    cluster.down.delete("b");
    settle(cluster, 40);
    t.match(cluster.volume?.status, { robustness: "healthy" });
    t.equal(cluster.current.size, 2);
  },
);

t.test("a deleted volume leaves nothing", async (t) => {
  const cluster = attached();
  cluster.delete();
  settle(cluster);
  t.equal(cluster.volume, null);
  t.equal(cluster.engine, null);
  t.strictSame(cluster.replicas, []);
});

t.test("so does one whose salvage has not come to its end", async (t) => {
  const cluster = refused();
  const [source] = cluster.replicas;
  if (source === undefined) throw new Error("it has no replicas");
  force(cluster, source);
  cluster.decide();
  cluster.delete();
  settle(cluster);
  t.equal(cluster.volume, null);
  t.strictSame(cluster.replicas, []);
});

t.test("the last copy is started again while its engine waits for it, each time later", async (t) => {
  for (const isServing of [true, false]) {
    const cluster = new SimulatedCluster(NODES, 1);
    cluster.ticket = "a";
    const pass = (rounds: number) => {
      for (let round = 0; round < rounds; round++) {
        cluster.decide();
        cluster.work();
        // As long as its frontend is not there the volume is still being attached.
        if (!isServing && cluster.engine !== null) cluster.engine.status.endpoint = "";
        cluster.now += 1_000;
      }
    };
    pass(12);
    t.equal(cluster.volume?.status.state, isServing ? "attached" : "attaching");
    const name = cluster.replicas[0]?.metadata.name ?? "";
    cluster.crash(name);
    pass(5);
    t.equal(cluster.replicas[0]?.status.currentState, "running");
    const before = cluster.begun;
    for (let crash = 0; crash < 300; crash++) {
      cluster.crash(name);
      pass(2);
    }
    t.ok(cluster.begun - before < 15, `${cluster.begun - before} starts in ten minutes`);
  }
});

t.test("for what an engine does not take there is another one, on the same node if need be", async (t) => {
  const cluster = new SimulatedCluster(["a", "b", "c"], 3);
  cluster.ticket = "a";
  settle(cluster);
  const other = cluster.replicas.find(({ spec }) => spec.nodeID !== "a")?.metadata.name ?? "";
  cluster.declined.add(other);
  settle(cluster, 60, 30_000);
  t.equal(cluster.volume?.status.robustness, "healthy");
});

t.test("a copy whose node is back after long is made equal, and none is made beside it", async (t) => {
  for (const isLate of [false, true]) {
    const cluster = new SimulatedCluster(["a", "b"], 3);
    cluster.isLate = isLate;
    cluster.ticket = "a";
    settle(cluster, 60, 20_000);
    const other = cluster.replicas.find(({ spec }) => spec.nodeID === "b")?.metadata.name ?? "";
    cluster.crash(other);
    settle(cluster);
    cluster.down.add("b");
    settle(cluster, 60, 20_000);
    cluster.down.clear();
    settle(cluster, 30);
    t.strictSame(nodesOf(cluster), ["a", "b"]);
    t.ok(cluster.current.has(other));
  }
});

t.test("what its engine does not reach is made elsewhere, once", async (t) => {
  const cluster = attached("a", 3);
  const far = nodesOf(cluster).find((node) => node !== "a") ?? "";
  cluster.cut.add(far);
  settle(cluster, 200, 30_000);
  t.equal(cluster.volume?.status.robustness, "healthy");
  t.equal(cluster.log.filter((line) => line.includes("made v-r-")).length, 4);
});

t.test("a copy that comes back is tried while its engine takes no new one", async (t) => {
  const cluster = attached();
  const away = nodesOf(cluster).find((node) => node !== "a") ?? "";
  const name = cluster.replicas.find(({ spec }) => spec.nodeID === away)?.metadata.name ?? "";
  cluster.isFull = true;
  cluster.crash(name);
  cluster.down.add(away);
  const made = () => cluster.log.filter((line) => line.includes("made v-r-")).length - 2;
  settle(cluster, 360, 10_000);
  t.equal(cluster.volume?.status.robustness, "degraded");
  t.ok(made() > 2, "another one is tried");
  t.ok(made() < 16, `${made()} were made in an hour`);
  cluster.down.clear();
  settle(cluster, 30);
  t.equal(cluster.volume?.status.robustness, "healthy");
  t.ok(cluster.current.has(name));
  cluster.down.add(away);
  settle(cluster, 120, 10_000);
  cluster.isFull = false;
  settle(cluster, 60, 10_000);
  t.equal(cluster.volume?.status.robustness, "healthy");
  t.notOk(
    nodesOf(cluster).every((node) => node === "a" || node === away),
    "there is another one instead",
  );
});

t.test("a node is left for one where a failed copy is, which is made equal again", async (t) => {
  const cluster = attached("a", 3);
  const away = nodesOf(cluster).find((node) => node !== "a") ?? "";
  cluster.down.add(away);
  settle(cluster, 60, 30_000);
  t.equal(cluster.volume?.status.robustness, "healthy", "there is another one instead");
  cluster.down.clear();
  settle(cluster);
  const left = cluster.nodes.find(({ metadata }) => metadata.name !== "a" && metadata.name !== away);
  Object.assign(left?.spec ?? {}, { allowScheduling: false, evictionRequested: true });
  settle(cluster, 30);
  t.notOk(nodesOf(cluster).includes(left?.metadata.name ?? ""));
  t.equal(new Set(nodesOf(cluster)).size, 3);
});

type Step =
  | { do: "decide" | "work" }
  | { do: "wait"; seconds: number }
  | { do: "down" | "up" | "refuse" | "start" | "evict" | "keep" | "attach"; node: string }
  | { do: "fill" | "drain" }
  | { do: "detach" }
  | { do: "crash" | "force"; which: number }
  | { do: "count"; replicas: number };

const node = fc.constantFrom(...NODES);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constantFrom("decide" as const, "work" as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("wait" as const), seconds: fc.constantFrom(1, 30, 700, 200_000) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("fill" as const, "drain" as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom("down" as const, "up" as const, "refuse" as const, "start" as const, "evict" as const, "keep" as const, "attach" as const), node }) }, // prettier-ignore
  { weight: 1, arbitrary: fc.record({ do: fc.constant("detach" as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom("crash" as const, "force" as const), which: fc.nat(4) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("count" as const), replicas: fc.integer({ min: 1, max: 3 }) }),
  },
);

function take(cluster: SimulatedCluster, step: Step): void {
  cluster.log.push(JSON.stringify(step));
  const setEviction = (name: string, evicted: boolean) => {
    const found = cluster.nodes.find(({ metadata }) => metadata.name === name);
    if (found !== undefined)
      Object.assign(found.spec, { evictionRequested: evicted, allowScheduling: !evicted });
  };
  switch (step.do) {
    case "decide": {
      cluster.decide();
      return;
    }
    case "work": {
      cluster.work();
      return;
    }
    case "wait":
      cluster.now += step.seconds * 1_000;
      return;
    case "down":
      cluster.down.add(step.node);
      return;
    case "up":
      cluster.down.delete(step.node);
      return;
    case "refuse":
      cluster.refusing.add(step.node);
      return;
    case "start":
      cluster.refusing.delete(step.node);
      return;
    case "fill":
      cluster.isFull = true;
      return;
    case "drain":
      cluster.isFull = false;
      return;
    case "evict": {
      setEviction(step.node, true);
      return;
    }
    case "keep": {
      setEviction(step.node, false);
      return;
    }
    case "attach":
      cluster.ticket = step.node;
      return;
    case "detach":
      cluster.ticket = "";
      return;
    case "force": {
      // As if an engine had refused what there is.
      const annotations = cluster.engine?.metadata.annotations ?? {};
      annotations["aurochs.io/failed-starts"] ??= JSON.stringify({ count: 1, at: "2030-01-01T00:00:00Z", with: [] }); // prettier-ignore
      const sources = isForceable(partsOf(cluster)) ? cluster.replicas.filter(isCandidate) : [];
      const source = sources[step.which % sources.length];
      if (source !== undefined) force(cluster, source);
      return;
    }
    case "crash": {
      const names = [...cluster.replicas, cluster.engine].map((one) => one?.metadata.name ?? "");
      cluster.crash(names[step.which % names.length] ?? "");
      return;
    }
    case "count":
      if (cluster.volume !== null) cluster.volume.spec.numberOfReplicas = step.replicas;
      return;
  }
}

function partsOf({ volume, engine, replicas }: SimulatedCluster) {
  if (volume === null) throw new Error("it is gone");
  return { volume, engines: engine === null ? [] : [engine], replicas };
}

function isCandidate({ spec, metadata }: Resource<"Replica">): boolean {
  return spec.healthyAt !== "" && metadata.deletionTimestamp === "";
}

/** As the API does it. */
function force(cluster: SimulatedCluster, source: Resource<"Replica">): void {
  const parts = partsOf(cluster);
  checkSalvage(parts, [source.metadata.name], true);
  salvageFrom(parts.volume, source.metadata.name);
  source.spec.failedAt = "";
  parts.volume.status.robustness = "unknown";
}

/** How it has to be once everything is well again and time has passed. */
function problems(cluster: SimulatedCluster): string[] {
  const { volume, replicas, ticket } = cluster;
  const wanted = volume?.spec.numberOfReplicas ?? 0;
  const found: string[] = [];
  if (volume?.status.state !== "attached" || volume.status.currentNodeID !== ticket) found.push(`${volume?.status.state ?? ""} at ${volume?.status.currentNodeID ?? ""}, not attached at ${ticket}`); // prettier-ignore
  if (volume?.status.robustness !== "healthy") found.push(`${volume?.status.robustness ?? ""}, not healthy`);
  if (replicas.length !== wanted || cluster.current.size !== wanted)
    found.push(`${replicas.length} replicas, ${cluster.current.size} whole, ${wanted} wanted`);
  if (new Set(nodesOf(cluster)).size !== replicas.length)
    found.push(`two on one node: ${nodesOf(cluster).join(" ")}`);
  return found;
}

t.test("the engine is offered every copy there is, also the one that failed last", async (t) => {
  const cluster = attached("a");
  const [first, second] = cluster.replicas.map(({ metadata }) => metadata.name);
  cluster.down.add("b");
  cluster.work(); // the engine has gone on without the second one, and nobody has noticed when all ends
  t.strictSame([...cluster.current], [first]);
  cluster.crash("v-e-0");
  cluster.crash(first ?? "");
  cluster.down.clear();
  settle(cluster, 60);
  t.match(cluster.volume?.status, { state: "attached", robustness: "healthy" });
  t.strictSame([...cluster.current].sort(), [first, second]);
});

t.test(
  "a copy that became whole just before its engine ended, and was not seen so, is offered, too",
  async (t) => {
    const cluster = attached("a");
    const other = nodesOf(cluster).find((node) => node !== "a") ?? "";
    cluster.down.add(other);
    const fresh = () => cluster.replicas.find(({ spec }) => spec.healthyAt === "");
    while (fresh()?.status.currentState !== "running") settle(cluster, 1);
    const name = fresh()?.metadata.name ?? "";
    cluster.current.clear();
    cluster.current.add(name);
    cluster.crash("v-e-0");
    settle(cluster, 30);
    t.equal(cluster.volume?.status.state, "attached");
    t.ok(cluster.current.has(name));
  },
);

t.test("a witness is where no copy is; where copies are everywhere, three voters are it", async (t) => {
  const cluster = attached("a");
  const want = (count: number) => {
    if (cluster.volume !== null) cluster.volume.spec.numberOfReplicas = count;
    settle(cluster, 24);
  };
  const [witness, ...others] = cluster.witnesses;
  t.equal(witness?.status.currentState, "running");
  t.strictSame(others, []);
  t.notOk(nodesOf(cluster).includes(witness?.spec.nodeID ?? ""));
  want(4);
  t.equal(cluster.replicas.length, 4);
  t.strictSame(cluster.witnesses.map(({ spec }) => spec.voter), [true, true, true]); // prettier-ignore
  t.equal(new Set(cluster.witnesses.map(({ spec }) => spec.nodeID)).size, 3);
  t.ok(cluster.witnesses.every(({ status }) => status.currentState === "running"));
  const voters = cluster.witnesses.map(({ metadata }) => metadata.name);
  want(3);
  t.strictSame(cluster.witnesses.map(({ metadata }) => metadata.name), voters, "they stay: their record is worth more than a better place"); // prettier-ignore
  want(1);
  t.strictSame(cluster.witnesses, [], "one copy needs none");
});

t.test("of voters that a manager has not finished making, none stays", async (t) => {
  const cluster = new SimulatedCluster(["a", "b", "c"], 3);
  cluster.ticket = "a";
  settle(cluster);
  const before = cluster.witnesses.map(({ metadata }) => metadata.name);
  t.equal(before.length, 3);
  cluster.witnesses = cluster.witnesses.slice(1);
  settle(cluster);
  t.equal(cluster.witnesses.length, 3);
  t.notOk(cluster.witnesses.some(({ metadata }) => before.includes(metadata.name)));
});

t.test("a witness that runs, and that the engine does not take in, is replaced", async (t) => {
  const cluster = new SimulatedCluster(["a", "b", "c"], 3);
  cluster.ticket = "a";
  settle(cluster);
  const names = () => cluster.witnesses.map(({ metadata }) => metadata.name).sort();
  const before = names();
  const tell = (status: string) => {
    const now = new Date(cluster.now).toISOString();
    const condition = { type: "Witnessed", status, reason: "", message: "" };
    if (cluster.engine !== null) cluster.engine.status.conditions = noted(condition, cluster.engine.status.conditions, now); // prettier-ignore
  };
  tell("False");
  settle(cluster, 5);
  t.strictSame(names(), before, "it may be joining");
  tell("True");
  cluster.now += 120_000;
  settle(cluster, 5);
  tell("False");
  settle(cluster, 5);
  t.strictSame(names(), before, "it has been a member until now");
  const [voter] = cluster.witnesses;
  if (voter !== undefined) voter.status.currentState = "stopped";
  settle(cluster, 1);
  cluster.now += 60_000;
  settle(cluster);
  t.strictSame(names(), before, "one of them was away until now");
  cluster.now += 60_000;
  settle(cluster);
  t.equal(cluster.witnesses.length, 3);
  t.notOk(names().some((name) => before.includes(name)));
});

t.test("what an engine said of a witness does not hold for the one in its place", async (t) => {
  const cluster = new SimulatedCluster(["a", "b", "c", "d"], 2);
  cluster.ticket = "a";
  settle(cluster);
  const tell = () => {
    const message = cluster.witnesses.map(addressOf).join(",");
    const told = { type: "Witnessed", status: "True", reason: "", message };
    if (cluster.engine !== null) cluster.engine.status.conditions = noted(told, [], new Date(cluster.now).toISOString()); // prettier-ignore
    settle(cluster);
  };
  const isWitnessed = () =>
    cluster.volume?.status.conditions.find(({ type }) => type === "Witnessed")?.status;
  tell();
  t.equal(isWitnessed(), "True");
  const before = cluster.witnesses[0]?.spec.nodeID;
  for (const { metadata, spec } of cluster.nodes)
    if (metadata.name === before) Object.assign(spec, { allowScheduling: false, evictionRequested: true });
  settle(cluster);
  t.not(cluster.witnesses[0]?.spec.nodeID, before);
  t.equal(isWitnessed(), "False");
  tell();
  t.equal(isWitnessed(), "True");
});

t.test("with copies on two nodes alone, nobody could be a witness", async (t) => {
  const cluster = new SimulatedCluster(["a", "b"], 2);
  cluster.ticket = "a";
  settle(cluster);
  t.strictSame(cluster.witnesses, []);
  t.match(cluster.volume?.status.conditions.find(({ type }) => type === "Witnessed"), { status: "False", reason: "NoNode" }); // prettier-ignore
});

t.test("a volume with more than a hundred snapshots says so", (t) => {
  const cluster = attached("a");
  const condition = () => cluster.volume?.status.conditions.find(({ type }) => type === "TooManySnapshots");
  const snapshots = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`s${i}`, { name: `s${i}`, parent: "", children: {}, labels: {}, removed: false, usercreated: true, created: "", size: "0" }])); // prettier-ignore
  t.match(condition(), { status: "False", reason: "" });
  if (cluster.engine !== null) cluster.engine.status.snapshots = { ...snapshots(101) };
  settle(cluster);
  t.match(condition(), { status: "True", reason: "TooManySnapshots" });
  if (cluster.engine !== null) cluster.engine.status.snapshots = { ...snapshots(100) };
  settle(cluster);
  t.match(condition(), { status: "False" });
  t.end();
});

/** Two copies came to be on one node, and stayed there. */
const GIVEN_UP_AND_BACK: Step[] = [
  { do: "crash", which: 0 },
  { do: "decide" },
  { do: "work" },
  { do: "count", replicas: 1 },
  { do: "decide" },
  { do: "down", node: "b" },
  { do: "work" },
  { do: "decide" },
  { do: "wait", seconds: 700 },
  { do: "decide" },
  { do: "count", replicas: 3 },
];

t.test(
  "whatever happens in whatever order: no whole copy too many is given up, and all is well in the end",
  async () => {
    const numRuns = Number(process.env["SEQUENCES"] ?? 300);
    fc.assert(
      fc.property(
        fc.boolean(),
        fc.boolean(),
        fc.boolean(),
        fc.array(step, { maxLength: 120, size: "max" }),
        (isLocal, isLate, isDeleted, steps) => {
          const cluster = isLocal ? strictlyLocal() : attached();
          cluster.isLate = isLate;
          try {
            for (const one of steps) if (one.do !== "count" || !isLocal) take(cluster, one);
            cluster.log.push("all is well again");
            cluster.down.clear();
            cluster.isFull = false;
            cluster.refusing.clear();
            if (isDeleted) {
              cluster.delete();
              settle(cluster, 40);
              if (cluster.volume !== null || cluster.replicas.length > 0) throw new Error("it does not go");
              return;
            }
            for (const name of NODES) take(cluster, { do: "keep", node: name });
            const home = cluster.replicas.find(({ metadata }) => cluster.current.has(metadata.name));
            cluster.ticket = (isLocal ? (home?.spec.nodeID ?? nodesOf(cluster)[0]) : undefined) ?? "b";
            settle(cluster, 40);
            settle(cluster, 40, 200_000_000);
            const found = problems(cluster);
            if (found.length > 0) throw new Error(found.join("; "));
          } catch (error) {
            throw new Error(`${(error as Error).message}\n${cluster.log.join("\n")}`, { cause: error });
          }
        },
      ),
      { numRuns, examples: [[false, false, false, GIVEN_UP_AND_BACK]] },
    );
  },
);

t.test("that an engine ended by itself is known until one serves again", async (t) => {
  const cluster = attached();
  const { engine } = cluster;
  if (engine === null) throw new Error("it has no engine");
  const isNoted = () => cluster.engine !== null && hasEndedBadly(cluster.engine);
  cluster.crash(engine.metadata.name);
  cluster.decide();
  t.ok(isNoted());
  settle(cluster);
  t.equal(cluster.volume?.status.state, "attached");
  t.notOk(isNoted());
  cluster.ticket = "";
  settle(cluster);
  t.match(cluster.volume?.status, { state: "detached" });
  t.notOk(isNoted());
});

t.test("an engine that is given up out of reach may have done what nobody was told", async (t) => {
  const cluster = attached();
  cluster.down.add("a");
  settle(cluster);
  t.equal(cluster.engine?.status.currentState, "unknown");
  cluster.ticket = "";
  settle(cluster);
  t.equal(cluster.volume?.status.state, "detached");
  t.ok(cluster.engine !== null && hasEndedBadly(cluster.engine));
});

/** Attached once, and the copy that is current is none of the three that are there. */
function refused(): SimulatedCluster {
  const cluster = attached("a", 3);
  cluster.ticket = "";
  settle(cluster);
  cluster.current.clear();
  cluster.current.add("a copy that is gone");
  cluster.ticket = "a";
  settle(cluster);
  t.equal(cluster.volume?.status.state, "attaching");
  cluster.ticket = "";
  settle(cluster);
  t.equal(cluster.volume?.status.state, "detached");
  return cluster;
}

t.test("a replica that is named is started from alone; the others are given up once it serves", async (t) => {
  const cluster = refused();
  const [away, source] = cluster.replicas.filter(({ spec }) => spec.nodeID !== "a");
  if (away === undefined || source === undefined) throw new Error("it has no replicas");
  force(cluster, away);
  cluster.down.add(away.spec.nodeID);
  cluster.ticket = "a";
  settle(cluster, 5);
  t.equal(cluster.volume?.status.state, "attaching", "it cannot be had");
  cluster.ticket = "";
  settle(cluster, 5);
  const { name } = source.metadata;
  const named = cluster.replicas.find(({ metadata }) => metadata.name === name);
  if (named === undefined) throw new Error("what was left behind is gone");
  force(cluster, named);
  cluster.ticket = "a";
  const others = cluster.replicas.map(({ metadata }) => metadata.name).filter((one) => one !== name);
  const present = () => cluster.replicas.filter((one) => others.includes(one.metadata.name));
  for (let round = 0; round < 30 && cluster.volume?.status.state !== "attached"; round++) {
    t.equal(present().length, 2, "they may be needed still");
    settle(cluster, 1);
    if (cluster.engine?.status.currentState === "running")
      t.strictSame(Object.keys(cluster.engine.spec.replicaAddressMap), [name]);
  }
  t.equal(cluster.engine?.spec.salvageRequested, false);
  cluster.down.clear();
  settle(cluster, 100, 10_000);
  t.ok(cluster.current.has(name));
  t.match(cluster.volume?.status, { state: "attached", robustness: "healthy" });
  t.strictSame(present(), []);
});

t.test("a salvage that was broken off goes on, and what it left behind stays out", async (t) => {
  const cluster = refused();
  const [source, ...others] = cluster.replicas;
  if (source === undefined) throw new Error("it has no replicas");
  force(cluster, source);
  cluster.decide();
  t.match(cluster.replicas.map(isLeftBehind), [false, true, true]);
  cluster.ticket = "a";
  for (let round = 0; round < 30 && cluster.engine?.spec.desireState !== "running"; round++)
    settle(cluster, 1);
  t.equal(cluster.engine?.spec.salvageRequested, true);
  cluster.ticket = "";
  settle(cluster);
  t.equal(cluster.volume?.status.state, "detached");
  t.match(cluster.replicas.map(isLeftBehind), [false, true, true]);
  const second = cluster.replicas.find(({ metadata }) => metadata.name === others[0]?.metadata.name);
  const parts = structuredClone(partsOf(cluster));
  parts.volume.status.robustness = "faulted";
  t.throws(() => checkSalvage(parts, [second?.metadata.name ?? ""], false), { message: /by force only/ });
  cluster.ticket = "a";
  settle(cluster);
  t.match(cluster.volume?.status, { state: "attached" });
  t.ok(cluster.current.has(source.metadata.name));
});

t.test("one that is being removed when others are left behind keeps its data, too", async (t) => {
  const cluster = refused();
  const [source, going] = cluster.replicas;
  if (source === undefined || going === undefined) throw new Error("it has no replicas");
  cluster.down.add(going.spec.nodeID);
  Object.assign(going.metadata, { deletionTimestamp: "2030-01-01T00:00:00Z" });
  force(cluster, source);
  cluster.decide();
  t.ok(cluster.replicas.filter(({ metadata }) => metadata.name !== source.metadata.name).every(isLeftBehind));
});
