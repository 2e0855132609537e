import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { readRevision, REVISION_COUNTER, writeRevision } from "./revision-counter.js";
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
