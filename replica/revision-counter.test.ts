import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { openRevision, readRevision, REVISION_COUNTER, writeRevision } from "./revision-counter.js";
import { scratch } from "./scratch.js";

function block(text: string, length = 4096): Buffer {
  const bytes = Buffer.alloc(length);
  bytes.write(text);
  return bytes;
}

t.test("a counter is read and rewritten in Longhorn's form", async (t) => {
  const path = scratch(t);
  t.equal(await readRevision(path), null);
  await t.rejects(writeRevision(path, 1), { code: "MISSING" }, "one that is not there is not made");
  writeFileSync(join(path, REVISION_COUNTER), block("1234"), { mode: 0o600 });
  t.equal(await readRevision(path), 1234);
  await writeRevision(path, 99);
  t.same(readFileSync(join(path, REVISION_COUNTER)), block("99"));
  t.equal(statSync(join(path, REVISION_COUNTER)).mode & 0o777, 0o600);
});

t.test("a new counter is as Longhorn makes it, and only where one is wanted", async (t) => {
  const path = scratch(t);
  t.equal(await openRevision(path, false), null);
  t.equal(await openRevision(path, undefined), null);
  t.same(readdirSync(path), []);
  t.equal(await openRevision(path, true), 0);
  t.same(readdirSync(path), [REVISION_COUNTER]);
  t.same(readFileSync(join(path, REVISION_COUNTER)), block("0"));
  t.equal(statSync(join(path, REVISION_COUNTER)).mode & 0o777, 0o600);
  await writeRevision(path, 7);
  t.equal(await openRevision(path, true), 7);
  t.equal(await openRevision(path, false), null, "one that is not wanted is left alone");
});

t.test("a damaged counter is an error that names it", async (t) => {
  const path = scratch(t);
  for (const bytes of [
    block(""),
    block("12x"),
    block("-1"),
    block("12", 100),
    block("12", 4097),
    block("9".repeat(20)),
  ]) {
    writeFileSync(join(path, REVISION_COUNTER), bytes);
    await t.rejects(readRevision(path), { code: "DAMAGED", message: /revision\.counter/ });
  }
});
