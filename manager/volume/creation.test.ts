import t from "tap";
import { checkSpec } from "../objects/check.js";
import { SettingValues } from "../settings/settings.js";
import { newVolume, volumeName } from "./creation.js";
import { checkNewVolume, checkVolumeName } from "./validation.js";
import { jobsOf, withDefaultGroup, withJob, withoutJob } from "./recurring-labels.js";

const settings = (values: Record<string, string> = {}) => new SettingValues(new Map(Object.entries(values)));
const around = {
  nodeTags: new Set<string>(),
  diskTags: new Set<string>(),
  makesV1: true,
  sizeOf: () => null,
};

t.test("what was left out comes from the settings, and what was given stays", (t) => {
  const plain = newVolume("v1", { size: "1" }, {}, settings());
  t.match(plain.spec, { size: String(2 << 20), frontend: "blockdev", dataEngine: "v1", backupTargetName: "default", backupBlockSize: "2097152", cloneMode: "", replicaAutoBalance: "ignored" }); // prettier-ignore
  t.match(plain, { labels: { "backup-target": "default" }, finalizers: ["longhorn.io"] });
  const set = settings({
    "default-replica-count": '{"v1":"2","v2":"3"}',
    "default-data-locality": "best-effort",
    "snapshot-max-count": "7",
    "default-engine-image": "engine:1",
    "default-backup-block-size": "16",
    "backup-compression-method": "gzip",
  });
  t.match(newVolume("v1", { size: "1" }, {}, set).spec, { numberOfReplicas: 2, dataLocality: "best-effort", snapshotMaxCount: 7, image: "engine:1", backupBlockSize: "16777216", backupCompressionMethod: "gzip" }); // prettier-ignore
  const given = { size: "1", numberOfReplicas: 1, dataLocality: "disabled", frontend: "iscsi", image: "mine", replicaAutoBalance: "disabled", snapshotMaxCount: 3 } as const; // prettier-ignore
  t.match(
    newVolume("v1", given, {}, set).spec,
    { ...given, size: /./, image: "engine:1" },
    "but for the image",
  );
  t.end();
});

t.test("a strict-local volume has one replica, and no count of writes", (t) => {
  const { spec } = newVolume("v1", { size: "1", dataLocality: "strict-local" }, {}, settings());
  t.match(spec, { numberOfReplicas: 1, revisionCounterDisabled: true });
  checkNewVolume(checkSpec("Volume", "v1", spec), around);
  t.end();
});

t.test("a clone has all of its source", (t) => {
  const { spec } = newVolume("v1", { size: "4194304", dataSource: "snap://src/s1" }, {}, settings());
  t.equal(spec.cloneMode, "full-copy");
  const checked = checkSpec("Volume", "v1", spec);
  checkNewVolume(checked, { ...around, sizeOf: (name) => (name === "src" ? 4194304 : null) });
  t.throws(() => checkNewVolume(checked, around), { code: "INVALID", message: /volume src is not found/ });
  t.end();
});

t.test("long names are cut, and stay apart", (t) => {
  const long = (end: string) => volumeName(`PVC-${"x".repeat(60)}${end}`);
  t.match(long("a"), /^pvc-x{27}-[0-9a-f]{8}$/);
  t.not(long("a"), long("b"));
  checkVolumeName(long("a"));
  t.equal(volumeName("n".repeat(40)), "n".repeat(40));
  t.end();
});

t.test("a volume without a job is in the group for those", (t) => {
  const none = withDefaultGroup({ other: "label" });
  t.strictSame(jobsOf(none), [{ name: "default", isGroup: true }]);
  const one = withJob({}, { name: "nightly", isGroup: false });
  t.strictSame(jobsOf(withDefaultGroup(one)), [{ name: "nightly", isGroup: false }]);
  t.strictSame(jobsOf(withoutJob(one, { name: "nightly", isGroup: false })), [
    { name: "default", isGroup: true },
  ]);
  t.strictSame(jobsOf({ "recurring-job.longhorn.io/off": "disabled" }), []);
  t.end();
});
