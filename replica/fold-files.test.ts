import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import t from "tap";
import { pruneFile } from "./fold-files.js";
import { scratch } from "./scratch.js";
import { makeSparse } from "./sync/testing.js";

const BLOCK = 65536;

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
