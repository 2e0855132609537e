import t from "tap";
import { checkSpec } from "../objects/check.js";
import type { Resource } from "../objects/resource.js";
import { SettingValues } from "../settings/settings.js";
import { SqliteStore } from "../store/sqlite-store.js";
import { newVolume } from "./creation.js";
import { checkVolumeChange } from "./validation.js";

type VolumeSpec = Resource<"Volume">["spec"];

t.test("what a volume has may not be forbidden to it", async (t) => {
  const store = SqliteStore.open(":memory:");
  t.teardown(() => store.close());
  const settings = new SettingValues(new Map());
  const volume = await store.create(
    newVolume("vol", { size: String(2 ** 30), numberOfReplicas: 1 }, {}, settings),
  );
  const snapshot = (name: string) => ({ name, parent: "", children: {}, labels: {}, removed: false, usercreated: true, created: "", size: String(2 ** 30) }); // prettier-ignore
  const snapshots = Object.fromEntries(["volume-head", "a", "b", "c"].map((name) => [name, snapshot(name)]));
  const engine = await store.create({ kind: "Engine", name: "e", spec: {}, status: { snapshots } });
  const change = (state: string, changes: Partial<VolumeSpec>) => () =>
    checkVolumeChange({ ...volume, status: { ...volume.status, state } }, checkSpec("Volume", "vol", { ...volume.spec, ...changes }), engine); // prettier-ignore
  t.doesNotThrow(change("attached", { snapshotMaxCount: 3 }));
  t.throws(change("attached", { snapshotMaxCount: 2 }), {
    code: "REFUSED",
    message: /snapshotMaxCount: .* has 3/,
  });
  t.doesNotThrow(change("attached", { snapshotMaxSize: String(3 * 2 ** 30) }));
  t.throws(change("attached", { snapshotMaxSize: String(2 ** 31) }), { code: "REFUSED", message: /snapshotMaxSize: .* have 3 GiB/ }); // prettier-ignore
  t.throws(change("attached", { snapshotMaxSize: String(2 ** 30) }), { code: "INVALID", message: /snapshotMaxSize: .* 2 GiB/ }); // prettier-ignore
  volume.spec.snapshotMaxSize = String(2 ** 30);
  t.doesNotThrow(change("attached", { staleReplicaTimeout: 1 }), "it was so before");
  volume.spec.snapshotMaxSize = "0";
  t.doesNotThrow(change("detached", { dataLocality: "strict-local" }));
  t.throws(change("attached", { dataLocality: "strict-local" }), { code: "REFUSED", message: /dataLocality: .*detached/ }); // prettier-ignore
  t.doesNotThrow(change("detached", { accessMode: "rwx" }));
  t.throws(change("creating", { accessMode: "rwx" }), { code: "REFUSED" });
  for (const changes of [
    { dataEngine: "v2" },
    { backupBlockSize: "16777216" },
    { backupCompressionMethod: "none" },
  ] as const)
    // prettier-ignore
    t.throws(change("detached", changes), { code: "INVALID", message: /cannot be changed/ });
});
