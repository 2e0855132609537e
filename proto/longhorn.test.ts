import { Writer } from "protobufjs";
import t from "tap";
import { ControllerService, ReplicaMode, ReplicaService } from "./longhorn.js";

t.test("a replica comes back with every field, map and disk", (t) => {
  const { responseSerialize, responseDeserialize } = ReplicaService.replicaGet;
  const disk = {
    name: "volume-snap-a.img",
    parent: "",
    children: { "volume-head-001.img": true },
    removed: false,
    userCreated: true,
    created: "2026-01-02T03:04:05Z",
    size: "4096",
    labels: { key: "value", __proto__x: "odd" },
  };
  const replica = {
    dirty: true,
    rebuilding: false,
    head: "volume-head-001.img",
    parent: "volume-snap-a.img",
    size: "4194304",
    sectorSize: 512,
    backingFile: "",
    state: "dirty",
    chain: ["volume-head-001.img", "volume-snap-a.img"],
    disks: { "volume-snap-a.img": disk },
    remainSnapshots: 249,
    revisionCounter: 2 ** 52,
    lastModifyTime: 1_790_000_000_000_000_000,
    headFileSize: 8192,
    revisionCounterDisabled: false,
    unmapMarkDiskChainRemoved: true,
    snapshotCountUsage: 1,
    snapshotSizeUsage: 4096,
    snapshotCountTotal: 2,
  };
  const back = responseDeserialize(responseSerialize({ replica }));
  t.strictSame(back, { replica });
  t.end();
});

t.test("absent fields are zero values, absent messages null, absent maps empty", (t) => {
  const replica = ReplicaService.replicaGet.responseDeserialize(Buffer.alloc(0));
  t.strictSame(replica, { replica: null });
  const snapshot = ControllerService.volumeSnapshot.requestDeserialize(Buffer.alloc(0));
  t.strictSame(snapshot, { name: "", labels: {}, freezeFilesystem: false });
  const created = ControllerService.controllerReplicaCreate.requestDeserialize(Buffer.alloc(0));
  t.equal(created.mode, ReplicaMode.WO);
  t.end();
});

t.test("fields of a later version are skipped, in messages and in Empty", (t) => {
  const later = Writer.create()
    .uint32(10)
    .string("vol") // Volume.name
    .uint32((4000 << 3) | 2)
    .bytes(Buffer.from("later"))
    .uint32((4001 << 3) | 0)
    .uint64(7)
    .finish();
  t.equal(ControllerService.volumeGet.responseDeserialize(Buffer.from(later)).name, "vol");
  t.strictSame(ControllerService.volumeGet.requestDeserialize(Buffer.from(later)), {});
  t.end();
});

t.test("negative numbers and modes of a later version arrive as they are", (t) => {
  const { requestSerialize, requestDeserialize } = ControllerService.volumeExpand;
  t.equal(requestDeserialize(requestSerialize({ size: -4096 })).size, -4096);
  const update = ControllerService.replicaUpdate;
  t.equal(update.requestDeserialize(update.requestSerialize({ mode: 9 })).mode, 9);
  t.end();
});

t.test("an integer that a number cannot hold is refused", (t) => {
  const huge = Writer.create().uint32(8).raw(Buffer.from("ffffffffffffffff7f", "hex")).finish();
  t.throws(() => ControllerService.volumeExpand.requestDeserialize(Buffer.from(huge)), RangeError);
  t.end();
});
