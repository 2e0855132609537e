import t from "tap";
import type { Resource } from "../objects/resource.js";
import { SqliteStore } from "../store/sqlite-store.js";
import { checkReplicaRemoval, checkSalvage } from "./replica-rules.js";

const T1 = "2026-01-01T00:00:00Z";
const T2 = "2026-01-02T00:00:00Z";

type ReplicaSpec = Resource<"Replica">["spec"];
const whole: Partial<ReplicaSpec> = { active: true, healthyAt: T1, lastHealthyAt: T1 };

async function replicasOf(t: { teardown(end: () => unknown): void }, ...specs: Partial<ReplicaSpec>[]) {
  const store = SqliteStore.open(":memory:");
  t.teardown(() => store.close());
  for (const [i, spec] of specs.entries())
    await store.create({ kind: "Replica", name: `r-${i}`, spec: { volumeName: "v", ...spec } });
  return store.list("Replica");
}

t.test("a replica with data is removed only when another one is whole beyond doubt", async (t) => {
  const others: [what: string, other: Partial<ReplicaSpec>, isEnough: boolean][] = [
    ["whole", whole, true],
    ["it failed once, and is whole again", { ...whole, lastFailedAt: T1, lastHealthyAt: T2 }, true],
    ["failed", { ...whole, failedAt: T2, lastFailedAt: T2 }, false],
    ["it counts again, but nobody has seen it whole since it failed", { ...whole, lastFailedAt: T2 }, false],
    ["it is being rebuilt", { active: true }, false],
    ["of an upgrade that is under way", { ...whole, active: false }, false],
  ];
  for (const [what, other, isEnough] of others) {
    const replicas = await replicasOf(t, whole, other);
    const [first] = replicas;
    if (first === undefined) throw new Error("none");
    const remove = () => checkReplicaRemoval(first, replicas);
    if (isEnough) t.doesNotThrow(remove, what);
    else t.throws(remove, { code: "REFUSED", message: /may be the last that has its data/ }, what);
  }
  const [alone] = await replicasOf(t, whole);
  if (alone !== undefined) t.throws(() => checkReplicaRemoval(alone, [alone]), { code: "REFUSED" });
  const failed = await replicasOf(t, { ...whole, failedAt: T2, lastFailedAt: T2 }, { active: true });
  t.throws(() => checkReplicaRemoval(failed[0] as Resource<"Replica">, failed), { code: "REFUSED" }, "failed, with data"); // prettier-ignore
  t.doesNotThrow(() => checkReplicaRemoval(failed[1] as Resource<"Replica">, failed), "it never had any");
});

async function volumeIn(t: { teardown(end: () => unknown): void }, state: string, robustness: string) {
  const store = SqliteStore.open(":memory:");
  t.teardown(() => store.close());
  const status = { state, robustness } as Resource<"Volume">["status"];
  return store.create({ kind: "Volume", name: "v", spec: {}, status });
}

t.test("only replicas that were whole once are salvaged, of volumes that need it", async (t) => {
  const replicas = await replicasOf(t, { ...whole, failedAt: T2 }, { failedAt: T2 });
  const faulted = { volume: await volumeIn(t, "detached", "faulted"), engines: [], replicas };
  t.strictSame(checkSalvage(faulted, ["r-0"], false), [replicas[0]]);
  t.throws(() => checkSalvage(faulted, ["r-1"], false), { code: "REFUSED", message: /r-1 was never whole/ });
  t.throws(() => checkSalvage(faulted, [], false), { code: "INVALID" });
  for (const [state, robustness] of [["attached", "faulted"], ["detached", "unknown"]] as const) // prettier-ignore
    t.throws(() => checkSalvage({ ...faulted, volume: { ...faulted.volume, status: { ...faulted.volume.status, state, robustness } } }, ["r-0"], false), { code: "REFUSED" }); // prettier-ignore
});

t.test(
  "a volume is salvaged by force where it cannot be had otherwise, from one replica alone",
  async (t) => {
    const store = SqliteStore.open(":memory:");
    t.teardown(() => store.close());
    const engine = await store.create({ kind: "Engine", name: "v-e-0", spec: { volumeName: "v" } });
    const replicas = await replicasOf(t, whole, whole, { active: true });
    const volume = await volumeIn(t, "detached", "unknown");
    const parts = { volume, engines: [engine], replicas };
    t.throws(() => checkSalvage(parts, ["r-0"], true), { code: "REFUSED", message: /could not be started/ });
    engine.metadata.annotations["aurochs.io/failed-starts"] = JSON.stringify({ count: 1, at: T2, with: [] });
    t.strictSame(checkSalvage(parts, ["r-1"], true), [replicas[1]]);
    const attaching = { ...parts, volume: await volumeIn(t, "attaching", "unknown") };
    t.throws(() => checkSalvage(attaching, ["r-1"], true), {
      code: "REFUSED",
      message: /when it is detached/,
    });
    for (const [names, message] of [
      [["r-0", "r-1"], /alone/],
      [["r-2"], /never whole/],
      [["r-3"], /no replica r-3/],
    ] as const)
      t.throws(() => checkSalvage(parts, names, true), { message });
  },
);
