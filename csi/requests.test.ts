import t from "tap";
import { AccessModeType, type VolumeCapability } from "../proto/csi.js";
import { accessOf } from "./capability.js";
import { parseSnapshotHandle, snapshotTypeOf } from "./handles.js";
import { volumeFieldsOf } from "./parameters.js";
import { sizeOf } from "./size.js";

const MIB = 1 << 20;

t.test("sizes are multiples of 2 MiB, at least 10 MiB, and within the limit", (t) => {
  const size = (requiredBytes: number, limitBytes = 0) => sizeOf({ requiredBytes, limitBytes });
  t.equal(sizeOf(null), 10 * MIB);
  t.equal(sizeOf(null, 64 * MIB), 64 * MIB, "a clone has that of its source");
  t.equal(size(1), 10 * MIB);
  t.equal(size(11 * MIB), 12 * MIB);
  t.equal(size(12 * MIB, 12 * MIB), 12 * MIB);
  t.throws(() => size(11 * MIB, 11 * MIB), { code: 11 });
  t.end();
});

t.test("parameters of a StorageClass become fields of a volume", (t) => {
  const given = {
    numberOfReplicas: "2",
    staleReplicaTimeout: "30",
    diskSelector: "ssd, fast",
    recurringJobSelector: '[{"name":"daily","isGroup":true}]',
    backupBlockSize: "16Mi",
    encrypted: "true",
    dataLocality: "best-effort",
    fromBackup: "",
    fsType: "ext4",
    "csi.storage.k8s.io/pvc/name": "claim",
  };
  t.strictSame(volumeFieldsOf(given, false), {
    numberOfReplicas: 2,
    staleReplicaTimeout: 30,
    diskSelector: ["ssd", "fast"],
    recurringJobSelector: [{ name: "daily", isGroup: true }],
    backupBlockSize: "16777216",
    encrypted: true,
    dataLocality: "best-effort",
    revisionCounterDisabled: true,
    accessMode: "rwo",
    migratable: false,
  });
  t.match(volumeFieldsOf({ share: "false", migratable: "true" }, true), { accessMode: "rwx", migratable: true }); // prettier-ignore
  t.match(volumeFieldsOf({ share: "true" }, false), { accessMode: "rwx" });
  t.match(volumeFieldsOf({ migratable: "true" }, false), { accessMode: "rwo", migratable: false });
  t.end();
});

t.test("wrong values of parameters are named", (t) => {
  const wrong = {
    numberOfReplicas: "two",
    encrypted: "yes",
    share: "perhaps",
    dataLocality: "near",
    replicaSoftAntiAffinity: "on",
    backupBlockSize: "4Mi",
    recurringJobSelector: "[{}]",
  };
  for (const [name, text] of Object.entries(wrong))
    t.throws(() => volumeFieldsOf({ [name]: text }, false), { code: 3, message: `parameter ${name}: ` });
  t.end();
});

t.test("a capability asks for one thing that the driver can do", (t) => {
  const of = (fields: Partial<VolumeCapability>) =>
    accessOf({
      block: null,
      mount: null,
      accessMode: { mode: AccessModeType.SINGLE_NODE_WRITER },
      ...fields,
    });
  const mount = { fsType: "", mountFlags: ["noatime"], volumeMountGroup: "" };
  t.strictSame(of({ mount }), { type: "mount", isShared: false, fileSystem: "ext4", flags: ["noatime"] });
  t.strictSame(of({ block: {}, accessMode: { mode: AccessModeType.MULTI_NODE_MULTI_WRITER } }), { type: "block", isShared: true }); // prettier-ignore
  const invalid = { code: 3 };
  t.throws(() => accessOf(null), invalid);
  t.throws(() => of({}), invalid);
  t.throws(() => of({ block: {}, mount }), invalid);
  t.throws(() => of({ mount: { ...mount, fsType: "ext4 -O x" } }), invalid);
  t.throws(() => of({ mount, accessMode: { mode: AccessModeType.MULTI_NODE_READER_ONLY } }), invalid);
  t.end();
});

t.test("ids of snapshots are Longhorn's", (t) => {
  t.strictSame(parseSnapshotHandle("snap://v/s"), { type: "snap", volume: "v", snapshot: "s" });
  t.strictSame(parseSnapshotHandle("bs://v/b"), { type: "bak" });
  t.strictSame(parseSnapshotHandle("bi://backing?backingImage=i"), { type: "bi" });
  for (const id of ["", "snap://v", "snap://v/s/t", "x"]) t.equal(parseSnapshotHandle(id), null);
  t.equal(snapshotTypeOf({}), "bak");
  t.equal(snapshotTypeOf({ type: "snap" }), "snap");
  t.equal(snapshotTypeOf({ type: "x" }), null);
  t.end();
});
