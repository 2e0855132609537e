import { Writer } from "protobufjs";
import t from "tap";
import { requestCodec, responseCodec, Op } from "./dataplane.js";
import { ReplicaControl } from "./control.js";

t.test("a message comes back with every field, absent ones as zero values", (t) => {
  const request = requestCodec.deserialize(requestCodec.serialize({ id: 7, op: Op.OP_READ }));
  t.equal(request.id, 7);
  t.equal(request.op, Op.OP_READ);
  t.equal(request.offset, 0);
  t.equal(request.fua, false);
  t.equal(request.hello, null);
  t.equal(request.payload.length, 0);
  const response = responseCodec.deserialize(Buffer.alloc(0));
  t.same(response.extents, []);
  t.equal(response.hello, null);
  t.end();
});

t.test("offsets beyond 2^32 stay exact", (t) => {
  const offset = 2 ** 52 + 4096;
  const request = requestCodec.deserialize(requestCodec.serialize({ offset, crc32c: 0xffff_ffff }));
  t.equal(request.offset, offset);
  t.equal(request.crc32c, 0xffff_ffff);
  t.end();
});

t.test("an integer that a number cannot hold is refused, nested or not", (t) => {
  const huge = Writer.create().uint32(24).raw(Buffer.from("ffffffffffffffffff01", "hex")).finish(); // field 3
  t.throws(() => requestCodec.deserialize(huge), { message: /offset is out of range/ });
  const extent = Writer.create().uint32(8).raw(Buffer.from("ffffffffffffffffff01", "hex")).finish();
  t.throws(() => responseCodec.deserialize(Writer.create().uint32(50).bytes(extent).finish()), RangeError);
  t.end();
});

t.test("the payload is the last field on the wire", (t) => {
  const payload = Buffer.from("payload at the end");
  const bytes = requestCodec.serialize({ id: 1, op: Op.OP_WRITE, settled: 3, crc32c: 5, payload });
  t.same(bytes.subarray(-payload.length), payload);
  t.end();
});

t.test("bytes that are no message are refused", (t) => {
  t.throws(() => requestCodec.deserialize(Buffer.from([0x7a, 0x20, 1, 2])));
  t.end();
});

t.test("replica facts keep their record and its bytes", (t) => {
  const { responseSerialize, responseDeserialize } = ReplicaControl.identify;
  const record = {
    generation: 4,
    members: ["a", "b"],
    engineId: "e",
    engineBootId: "boot",
    engineState: Buffer.from([1, 2, 3]),
    revisionAtLeast: 9,
    witnesses: [],
    reverting: "",
    leased: true,
    heldByAll: 0,
    absent: [{ replicaId: "r3", heldAtLeast: 1, heldAtMost: 2, excludedAt: 3 }],
  };
  const facts = responseDeserialize(responseSerialize({ volume: "v", record }));
  t.same(facts.record, record);
  t.equal(facts.lostWrites, false);
  t.end();
});
