/** What Longhorn's crashes leave, and what may look like it. Each of the first group keeps Longhorn from going on. */
import { existsSync, linkSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { openDirectory } from "../directory.js";
import { scratchInMemory } from "../scratch.js";
import { recover } from "./recover.js";
import { removeDisk } from "./remove.js";
import { removalActions } from "./prepare-remove.js";
import { revert } from "./revert.js";
import { contentOf, sampleData, sampleDirectory, SIZE } from "./sample-directory.js";
import { commitSnapshot, finishSnapshot, prepareSnapshot, type SnapshotRequest } from "./snapshot.js";

const HEAD = "volume-head-002.img";
const NEXT = "volume-head-003.img";
const A = "volume-snap-a.img";
const B = "volume-snap-b.img";
const CREATED = "2026-05-06T07:08:09Z";
const request: SnapshotRequest = {
  name: "new",
  userCreated: true,
  created: CREATED,
  labels: null,
  size: null,
};

function sample(t: { teardown: (fn: () => void) => void }): string {
  const path = join(scratchInMemory(t), "replica");
  sampleDirectory(path, HEAD, {
    [A]: { parent: "", blocks: [0, 1] },
    [B]: { parent: A, blocks: [2] },
    [HEAD]: { parent: A, blocks: [3] },
  });
  return path;
}

async function snapshot(path: string): Promise<string[]> {
  const { directory } = await recover(path);
  const prepared = await prepareSnapshot(directory, request, 250);
  const after = await commitSnapshot(directory, prepared);
  await finishSnapshot(path, prepared);
  return [...after.chain];
}

t.test("a left head without data does not keep later snapshots from being taken", async (t) => {
  for (const meta of [true, false]) {
    const path = sample(t);
    sampleData(join(path, NEXT), SIZE, [], 0);
    if (meta)
      writeFileSync(join(path, `${NEXT}.meta`), `{"Name":"${NEXT}","Parent":"volume-snap-gone.img"}\n`);
    t.same((await recover(path)).removed, [NEXT]);
    t.same(await snapshot(path), [NEXT, "volume-snap-new.img", A]);
  }
});

t.test("a left head that holds data stays, and the next snapshot passes over its number", async (t) => {
  const path = sample(t);
  sampleData(join(path, NEXT), SIZE, [5], 9);
  const before = readFileSync(join(path, NEXT));
  const { directory, removed } = await recover(path);
  t.same(removed, []);
  t.same(directory.leftovers, [NEXT]);
  t.same(await snapshot(path), ["volume-head-004.img", "volume-snap-new.img", A]);
  t.ok(before.equals(readFileSync(join(path, NEXT))));
});

t.test("a meta without its data, and an empty meta, of another branch leave the volume usable", async (t) => {
  const path = sample(t);
  rmSync(join(path, B));
  writeFileSync(join(path, "volume-snap-c.img.meta"), "");
  writeFileSync(join(path, "volume-snap-c.img"), "data");
  const { directory } = await recover(path);
  t.same([...directory.damaged.keys()].sort(), [B, "volume-snap-c.img"]);
  await t.rejects(revert(directory, B, CREATED), { code: "REFUSED", message: /volume-snap-b\.img/ });
  t.same(await snapshot(path), [NEXT, "volume-snap-new.img", A]);
  t.ok(existsSync(join(path, "volume-snap-c.img")), "nothing was removed");
});

t.test("nothing below a disk whose meta cannot be read is removed or merged", async (t) => {
  const path = sample(t);
  writeFileSync(join(path, `${B}.meta`), "");
  const meta = join(path, `${A}.meta`);
  writeFileSync(meta, readFileSync(meta, "utf8").replace('"Removed":false', '"Removed":true'));
  const { directory } = await recover(path);
  t.throws(() => removalActions(directory, A), {
    code: "DAMAGED",
    message: /volume-snap-b\.img\.meta is empty/,
  });
  await t.rejects(removeDisk(directory, A, false), { code: "DAMAGED" });
});

t.test("a damaged disk can be removed by its name", async (t) => {
  const path = sample(t);
  rmSync(join(path, B));
  const { directory } = await removeDisk(await openDirectory(path), B, false);
  t.equal(directory.damaged.size, 0);
  t.notOk(existsSync(join(path, `${B}.meta`)));
  t.same(directory, await openDirectory(path), "nothing of it is remembered");
});

t.test("a missing data file of the live chain is an error that names it, and is not made anew", async (t) => {
  const path = sample(t);
  rmSync(join(path, A));
  await t.rejects(recover(path), { code: "MISSING", message: /volume-snap-a\.img/ });
  t.notOk(existsSync(join(path, A)));
});

t.test("Longhorn's snapshot is undone or finished, wherever it ended", async (t) => {
  const snap = "volume-snap-new.img";
  const steps: [string, (path: string) => void][] = [
    ["head", (p) => sampleData(join(p, NEXT), SIZE, [], 0)],
    ["half of the head's meta", (p) => writeFileSync(join(p, `${NEXT}.meta.tmp`), "{")],
    ["head's meta", (p) => writeFileSync(join(p, `${NEXT}.meta`), `{"Name":"${NEXT}","Parent":"${snap}"}\n`)],
    ["data linked", (p) => linkSync(join(p, HEAD), join(p, snap))],
    ["meta linked", (p) => linkSync(join(p, `${HEAD}.meta`), join(p, `${snap}.meta`))],
    ["volume.meta", (p) => { const meta = join(p, "volume.meta"); writeFileSync(meta, readFileSync(meta, "utf8").replace(HEAD, NEXT).replace(A, snap)); }],
    ["old head unlinked", (p) => rmSync(join(p, HEAD))],
  ]; // prettier-ignore
  for (let last = 0; last < steps.length; last++) {
    const path = sample(t);
    const before = contentOf(path);
    for (const [, step] of steps.slice(0, last + 1)) step(path);
    const what = steps[last]?.[0] ?? "";
    const { directory } = await recover(path);
    t.same(directory.leftovers, [], what);
    if (last < 5) t.same(contentOf(path), before, `${what}: undone`);
    else t.same([...directory.chain], [NEXT, snap, A], `${what}: finished`);
    t.notOk(last >= 5 && readdirSync(path).some((name) => name.startsWith(HEAD)), what);
  }
});

t.test(
  "a head that is the file of a snapshot with newer data on it is an error: neither is chosen",
  async (t) => {
    const path = sample(t);
    linkSync(join(path, HEAD), join(path, "volume-snap-x.img"));
    writeFileSync(join(path, "volume-snap-x.img.meta"), `{"Parent":"${A}"}\n`);
    sampleData(join(path, NEXT), SIZE, [4], 9);
    writeFileSync(join(path, `${NEXT}.meta`), `{"Parent":"volume-snap-x.img"}\n`);
    const before = contentOf(path);
    await t.rejects(recover(path), { code: "DAMAGED", message: /volume-head-002\.img is the head and/ });
    t.same(contentOf(path), before);
  },
);

t.test("halves of metadata go, folders and whatever else ends in .tmp stay", async (t) => {
  const path = sample(t);
  for (const name of ["volume.meta.tmp", `${A}.meta.tmp`, "aurochs.record.tmp"])
    writeFileSync(join(path, name), "{");
  writeFileSync(join(path, "volume-snap-lost.img.meta.tmp"), "{");
  writeFileSync(join(path, "notes.tmp"), "mine");
  mkdirSync(join(path, `${B}.meta.tmp`));
  const { removed, directory } = await recover(path);
  t.same(removed.sort(), ["aurochs.record.tmp", `${A}.meta.tmp`, "volume.meta.tmp"]);
  t.same(directory.leftovers, ["notes.tmp", `${B}.meta.tmp`, "volume-snap-lost.img.meta.tmp"].sort());
});
