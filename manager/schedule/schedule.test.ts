import fc from "fast-check";
import t from "tap";
import { better } from "./balance.js";
import type { Cluster, ClusterNode, Disk } from "./cluster.js";
import { place, type Taken, type Want } from "./place.js";
import { spaceRefusal } from "./space.js";
import { surplus, type Spare } from "./surplus.js";

const GIB = 2 ** 30;

function disk(uuid: string, changes: Partial<Disk> = {}): Disk {
  return { name: uuid, uuid, path: `/${uuid}`, tags: [], filesystem: "ext4", maximum: 1000 * GIB, available: 900 * GIB, reserved: 0, scheduled: 0, replicaCount: 0, refusal: null, isLost: false, evicting: false, ...changes }; // prettier-ignore
}

function node(name: string, changes: Partial<ClusterNode> = {}): ClusterNode {
  return { name, zone: "", tags: [], refusal: null, evicting: false, disks: [disk(`${name}-d`)], ...changes };
}

function cluster(...nodes: ClusterNode[]): Cluster {
  const rules = { overProvisioning: 100, minimalAvailable: 25 };
  return { nodes, rules, emptyNodeSelectorTakesAll: true, emptyDiskSelectorTakesAll: true };
}

function want(changes: Partial<Want> = {}): Want {
  return { size: GIB, actualSize: 0, nodeSelector: [], diskSelector: [], node: "", shares: { node: false, zone: true, disk: true }, taken: [], witness: "", ...changes }; // prettier-ignore
}

const on = (node: string, diskUUID = `${node}-d`, evicting = false): Taken => ({ node, diskUUID, evicting });

const where = (cluster: Cluster, want: Want) => {
  const found = place(cluster, want);
  return found.placed ? `${found.node} ${found.disk.uuid}` : found.failures.join("; ");
};

const why = (cluster: Cluster, want: Want) =>
  place(cluster, want).refusals.map(({ node, disk, why }) => `${node}/${disk}: ${why}`);

t.test(
  "a replica goes where none of its volume is: another zone before another node before another disk",
  async (t) => {
    const nodes = cluster(
      node("a", { zone: "x", disks: [disk("a1"), disk("a2")] }),
      node("b", { zone: "x" }),
      node("c", { zone: "y", disks: [disk("c-d", { available: 300 * GIB })] }),
    );
    t.equal(where(nodes, want({ taken: [on("a", "a1")] })), "c c-d");
    t.equal(where(nodes, want({ taken: [on("a", "a1"), on("c")] })), "b b-d");
    const all = [on("a", "a1"), on("b"), on("c")];
    t.equal(where(nodes, want({ taken: all })), "hard affinity cannot be satisfied");
    t.equal(where(nodes, want({ taken: all, shares: { node: true, zone: true, disk: false } })), "a a2");
    t.equal(where(nodes, want({ taken: [on("a", "a1")], shares: { node: false, zone: false, disk: true } })), "c c-d"); // prettier-ignore
    t.match(
      why(nodes, want({ taken: [on("a", "a1"), on("c")], shares: { node: false, zone: false, disk: true } })),
      [
        "a/: another replica is in zone x",
        "b/: another replica is in zone x",
        "c/: another replica is in zone y",
      ],
    );
  },
);

t.test(
  "a place whose replica is evicted is free for its successor, after those that are free anyway",
  async (t) => {
    const nodes = cluster(
      node("a", { disks: [disk("a1", { refusal: "the disk is evicted" }), disk("a2")] }),
      node("b"),
    );
    t.equal(where(nodes, want({ taken: [on("a", "a1", true)] })), "b b-d");
    t.equal(where(nodes, want({ taken: [on("a", "a1", true), on("b")] })), "a a2");
  },
);

t.test("each node and disk that takes nothing says why", async (t) => {
  const nodes = cluster(
    node("a", { refusal: "the node is not ready: ManagerPodDown" }),
    node("b", { tags: ["ssd"], disks: [disk("b-d", { refusal: "the disk is evicted" })] }),
    node("c"),
    node("d", { tags: ["ssd"], disks: [disk("d1", { available: 200 * GIB }), disk("d2", { scheduled: 1000 * GIB }), disk("d3", { tags: ["slow"] })] }), // prettier-ignore
    node("e", { tags: ["ssd"], disks: [] }),
  );
  const wanted = want({ nodeSelector: ["ssd"], diskSelector: ["fast"] });
  t.strictSame(why(nodes, wanted), [
    "a/: the node is not ready: ManagerPodDown",
    "b/b-d: the disk is evicted",
    "c/: the node is not tagged ssd",
    "d/d1: the disk is not tagged fast",
    "d/d2: the disk is not tagged fast",
    "d/d3: the disk is not tagged fast",
    "e/: the node has no disk",
  ]);
  t.match(why(nodes, want({ nodeSelector: ["ssd"] })).slice(3, 5), [
    "d/d1: 200 GiB of 1000 GiB are available, 25 % have to stay so",
    "d/d2: 1000 GiB are promised to replicas, and 0 B may still be: less than 1 GiB",
  ]);
  t.equal(where(nodes, want({ node: "z" })), "node not found");
  t.equal(where(nodes, want({ node: "c", nodeSelector: ["ssd"] })), "tags not fulfilled");
  t.equal(where({ ...nodes, emptyNodeSelectorTakesAll: false }, want({ node: "d" })), "tags not fulfilled");
});

t.test("a disk's limits are those of Longhorn's rules, to the byte", async (t) => {
  const rules = { overProvisioning: 200, minimalAvailable: 25 };
  const one = disk("d", { maximum: 100, available: 30, reserved: 20, scheduled: 100, filesystem: "xfs" });
  t.equal(spaceRefusal(one, rules, 60, 4), null);
  t.match(spaceRefusal(one, rules, 60, 5), /30 B of 100 B are available/);
  t.match(spaceRefusal(one, rules, 61, 4), /60 B may still be/);
  t.match(spaceRefusal(disk("e"), { overProvisioning: 10000, minimalAvailable: 0 }, 16 * 2 ** 40, 0), /ext4 holds no file of 16 TiB/); // prettier-ignore
});

/** The cluster of the first users. */
t.test("fifteen volumes of two replicas spread evenly over four nodes", async (t) => {
  const nodes = ["a", "b", "c", "d"].map((name) => node(name));
  const sizes = [1, 1, 1, 3, 3, 10, 10, 10, 10, 10, 10, 10, 10, 10, 50];
  for (const size of sizes) {
    const taken: Taken[] = [];
    for (let copy = 0; copy < 2; copy++) {
      const found = place(cluster(...nodes), want({ size: size * GIB, taken }));
      if (!found.placed) throw new Error("not placed");
      t.notOk(taken.some((one) => one.node === found.node));
      taken.push(on(found.node, found.disk.uuid));
      found.disk.scheduled += size * GIB;
      found.disk.replicaCount++;
    }
  }
  const promised = nodes.map(({ disks }) => (disks[0]?.scheduled ?? 0) / GIB);
  t.ok(Math.max(...promised) - Math.min(...promised) <= 50, promised.join(" "));
  t.equal(
    promised.reduce((a, b) => a + b),
    2 * sizes.reduce((a, b) => a + b),
  );
});

const arbitraryDisk = fc.record({
  available: fc.integer({ min: 0, max: 10 }),
  scheduled: fc.integer({ min: 0, max: 10 }),
  tags: fc.subarray(["t"]),
  refusal: fc.option(fc.constant("no"), { freq: 4 }),
});
const arbitraryCluster = fc
  .array(
    fc.record({
      zone: fc.constantFrom("", "x", "y"),
      tags: fc.subarray(["t"]),
      refusal: fc.option(fc.constant("no"), { freq: 4 }),
      disks: fc.array(arbitraryDisk, { maxLength: 3 }),
    }),
    { maxLength: 5 },
  ) // prettier-ignore
  .map((nodes) =>
    cluster(
      ...nodes.map(({ disks, ...rest }, n) =>
        node(`n${n}`, { ...rest, disks: disks.map((one, d) => disk(`n${n}d${d}`, { ...one, maximum: 10 })) }),
      ),
    ),
  );
const arbitraryWant = fc
  .record({
    size: fc.integer({ min: 1, max: 6 }),
    actualSize: fc.integer({ min: 0, max: 6 }),
    nodeSelector: fc.subarray(["t"]),
    diskSelector: fc.subarray(["t"]),
    node: fc.constantFrom("", "", "n0", "n9"),
    shares: fc.record({ node: fc.boolean(), zone: fc.boolean(), disk: fc.boolean() }),
    taken: fc.array(fc.record({ n: fc.nat(4), d: fc.nat(2), evicting: fc.boolean() }), { maxLength: 4 }),
  })
  .map(({ taken, ...rest }) =>
    want({ ...rest, taken: taken.map(({ n, d, evicting }) => on(`n${n}`, `n${n}d${d}`, evicting)) }),
  );

/** The rules once more, as plainly as they can be said. */
function allowed(all: Cluster, one: ClusterNode, on: Disk, wanted: Want): boolean {
  const stays = wanted.taken.filter(({ evicting }) => !evicting);
  const zoneOf = (name: string) => all.nodes.find((node) => node.name === name)?.zone;
  return (
    (wanted.node === "" || wanted.node === one.name) &&
    one.refusal === null &&
    on.refusal === null &&
    wanted.nodeSelector.every((tag) => one.tags.includes(tag)) &&
    wanted.diskSelector.every((tag) => on.tags.includes(tag)) &&
    (wanted.shares.zone || !stays.some(({ node }) => zoneOf(node) === one.zone)) &&
    (wanted.shares.node || !stays.some(({ node }) => node === one.name)) &&
    (wanted.shares.disk || !stays.some(({ diskUUID }) => diskUUID === on.uuid)) &&
    on.available - wanted.actualSize > on.maximum * 0.25 &&
    on.scheduled + wanted.size <= on.maximum - on.reserved
  );
}

t.test(
  "a replica is placed if there is a place for it, there only, and every other place says why not",
  async () => {
    fc.assert(
      fc.property(arbitraryCluster, arbitraryWant, (all, wanted) => {
        const places = all.nodes.flatMap((one) =>
          one.disks.filter((on) => allowed(all, one, on, wanted)).map(({ uuid }) => uuid),
        );
        const found = place(all, wanted);
        if (found.placed !== places.length > 0) return false;
        if (found.placed && !places.includes(found.disk.uuid)) return false;
        return all.nodes.every(({ name, disks }) => {
          const said = found.refusals.filter((refusal) => refusal.node === name);
          return disks.every(({ uuid }) => places.includes(uuid) !== said.some(({ disk }) => disk === "" || disk === uuid)); // prettier-ignore
        });
      }),
      { numRuns: 2000 },
    );
  },
);

t.test(
  "of too many replicas the evicted one goes first, then those that share, then the one on the fullest disk",
  async (t) => {
    const all = cluster(
      node("a", { disks: [disk("a1"), disk("a2", { available: GIB })] }),
      node("b", { disks: [disk("b-d", { available: 100 * GIB })] }),
    );
    const spare = (name: string, at: Taken): Spare => ({ name, ...at });
    const first = (replicas: Spare[], keepOn = "") => surplus(all, replicas, keepOn)?.name;
    t.equal(first([spare("1", on("a", "a1")), spare("2", on("b", "b-d", true))]), "2");
    t.equal(first([spare("1", on("a", "a1")), spare("2", on("a", "a2")), spare("3", on("b"))]), "2");
    t.equal(first([spare("1", on("a", "a1")), spare("3", on("b"))]), "3");
    t.equal(first([spare("1", on("a", "a1")), spare("3", on("b"))], "b"), "1");
    t.equal(first([]), undefined);
  },
);

t.test(
  "balance adds a replica only where it makes the spread better, and then has nothing left to do",
  async (t) => {
    const two = cluster(node("a", { disks: [disk("a1"), disk("a2")] }), node("b"));
    const shared = want({
      taken: [on("a", "a1"), on("a", "a2")],
      shares: { node: true, zone: true, disk: true },
    });
    t.match(better(two, shared, "least-effort", 90), { node: "b", why: "two replicas are on one node" });
    t.equal(better(two, shared, "disabled", 90), null);
    t.equal(better(two, { ...shared, taken: [on("a", "a1"), on("b")] }, "best-effort", 90), null);
    const full = cluster(node("a", { disks: [disk("a1", { available: 50 * GIB }), disk("a2")] }), node("b"));
    const pressed = want({ taken: [on("a", "a1"), on("b")] });
    t.equal(better(full, pressed, "least-effort", 90), null);
    t.match(better(full, pressed, "best-effort", 90), { node: "a", disk: { uuid: "a2" } });
    t.equal(better(full, pressed, "best-effort", 0), null);
    t.equal(better(full, { ...pressed, taken: [on("a", "a2"), on("b")] }, "best-effort", 90), null);
  },
);
