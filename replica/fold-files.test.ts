import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { open, readFile } from "node:fs/promises";
import { join } from "node:path";
import t from "tap";
import { foldFile, pruneFile } from "./fold-files.js";
import { scratch } from "./scratch.js";
import { diskUnder, makeSparse } from "./sync/testing.js";

const BLOCK = 65536;
const MIB = 1 << 20;

t.test("a prune frees nothing that the head was given after its last sync", async (t) => {
  const [lower, head] = ["lower", "head"].map((name) => join(scratch(t), name)) as [string, string];
  await makeSparse(lower, 8 * BLOCK, [[0, 8 * BLOCK]]);
  await makeSparse(head, 8 * BLOCK, [[0, BLOCK]]);
  const before = readFileSync(lower);
  const file = await open(head);
  const handles = Object.getPrototypeOf(file) as typeof file;
  await file.close();
  let syncs = 0;
  t.capture(handles, "datasync", () => {
    const fd = openSync(head, "r+");
    writeSync(fd, Buffer.alloc(BLOCK, 1), 0, BLOCK, ++syncs * 2 * BLOCK);
    closeSync(fd);
    return Promise.resolve();
  });
  await pruneFile(lower, head);
  t.equal(syncs, 1);
  const freed = Buffer.from(before).fill(0, 0, BLOCK);
  t.ok(readFileSync(lower).equals(freed));
});

t.test("what a failed sync dropped of a fold is on the disk after the next one", async (t) => {
  const directory = scratch(t);
  const [upper, lower] = [join(directory, "upper"), join(directory, "lower")];
  await makeSparse(upper, 24 * MIB, [[MIB, 20 * MIB]]);
  await makeSparse(lower, 24 * MIB, [[0, 4 * MIB]]);
  const disk = await diskUnder(t, directory, await readFile(lower));
  disk.failures = 1;
  await t.rejects(
    foldFile(upper, lower, () => undefined),
    { message: /EIO: i\/o error/ },
  );
  await foldFile(upper, lower, () => undefined);
  t.ok(disk.content.subarray(MIB, 21 * MIB).equals((await readFile(upper)).subarray(MIB, 21 * MIB)));
});
