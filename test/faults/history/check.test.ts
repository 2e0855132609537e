import t from "tap";
import { checkHistory } from "./check.js";
import { parseRecord } from "./operation.js";

/** @param record lines as the load writes them */
function broken(record: string[], cuts: number[] = [], before = 0): string[] {
  return checkHistory(parseRecord(record.join("\n")), cuts, () => before).map(
    ({ broken, sector }) => `${broken} ${sector}`,
  );
}

t.test("each sector is judged by itself", async (t) => {
  const written = ["W 10 20 ok 0 8 1", "W 30 40 ok 4 8 2"];
  t.strictSame(broken([...written, "R 50 60 ok 0 1x4 2x8"]), []);
  t.strictSame(broken([...written, "R 50 60 ok 0 1x5 2x7"]), ["order 4"]);
  t.strictSame(broken([...written, "R 50 60 ok 0 1x4 2x7 -1x1"]), ["order 11"], "torn");
  t.strictSame(
    broken([...written, "R 50 60 error/02/3/1100 0"]),
    [],
    "what was not answered well tells nothing",
  );
});

t.test("a history goes on from what was there before", async (t) => {
  const written = ["R 10 20 ok 0 7x1", "W 30 40 ok 0 1 8", "R 50 60 ok 0 8x1"];
  t.strictSame(broken(written, [], 7), []);
  t.strictSame(broken(written, [], 6), ["order 0"], "another version");
  t.strictSame(broken(["R 10 20 ok 0 0x1"], [], 7), ["order 0"], "it is gone");
  t.strictSame(broken(["R 200 210 ok 0 0x1"], [100], 7), ["durable 0"], "it was durable");
});

t.test("a write that was lost with its session is over when the initiator is back", async (t) => {
  const lost = ["W 10 20 ok 0 1 1", "W 30 50 lost 0 1 2"];
  t.strictSame(broken([...lost, "R 60 70 ok 0 1x1"]), []);
  t.strictSame(broken([...lost, "R 60 70 ok 0 2x1"]), []);
  t.strictSame(broken([...lost, "R 60 70 ok 0 1x1", "R 80 90 ok 0 2x1"]), ["order 0"]);
});

t.test("after a power cut, anything since the last flush is right", async (t) => {
  const before = ["W 10 20 ok 0 1 1", "F 30 40 ok 0 0 0", "W 50 60 ok 0 1 2", "W 70 80 ok 0 1 3"];
  for (const version of [1, 2, 3])
    t.strictSame(broken([...before, `R 200 210 ok 0 ${version}x1`], [100]), []);
  t.strictSame(broken([...before, "R 200 210 ok 0 0x1"], [100]), ["durable 0"], "flushed and gone");
  t.strictSame(broken([...before, "R 200 210 ok 0 4x1"], [100]), ["durable 0"], "never written");
  t.strictSame(
    broken([...before, "R 200 210 ok 0 2x1", "R 220 230 ok 0 3x1"], [100]),
    ["order 0"],
    "what is there is there",
  );
  t.strictSame(broken([...before, "R 200 210 ok 0 0x1"]), ["order 0"], "without a cut nothing may be lost");
});

t.test("a flush that was not answered, or began before the write ended, promises nothing", async (t) => {
  t.strictSame(broken(["W 10 20 ok 0 1 1", "F 30 90 lost 0 0 0", "R 200 210 ok 0 0x1"], [80]), []);
  t.strictSame(broken(["W 10 20 ok 0 1 1", "F 15 40 ok 0 0 0", "R 200 210 ok 0 0x1"], [80]), []);
});

t.test("FUA makes its own range durable", async (t) => {
  const before = ["W 10 20 ok 0 2 1", "X 30 40 ok 0 1 2"];
  t.strictSame(broken([...before, "R 200 210 ok 0 2x1 0x1"], [100]), []);
  t.strictSame(broken([...before, "R 200 210 ok 0 1x1 1x1"], [100]), ["durable 0"]);
  t.strictSame(broken([...before, "R 200 210 ok 0 0x2"], [100]), ["durable 0"]);
});

t.test("each of several cuts is judged, from what the one before has left", async (t) => {
  const before = ["W 10 20 ok 0 1 1", "W 30 40 ok 0 1 2", "R 200 210 ok 0 1x1", "F 220 230 ok 0 0 0"];
  t.strictSame(broken([...before, "R 400 410 ok 0 1x1"], [100, 300]), []);
  t.strictSame(broken([...before, "R 400 410 ok 0 2x1"], [100, 300]), ["durable 0"], "gone, and back again");
  t.strictSame(broken([...before, "R 400 410 ok 0 0x1"], [100, 300]), ["durable 0"]);
});
