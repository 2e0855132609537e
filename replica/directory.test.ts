import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, truncateSync, writeFileSync } from "node:fs"; // prettier-ignore
import { join } from "node:path";
import t from "tap";
import { createIfEmpty } from "./create.js";
import { openDirectory, setDirty } from "./directory.js";
import { scratch } from "./scratch.js";

const SIZE = 16 << 20;
const HEAD = "volume-head-000.img";

async function fresh(t: Parameters<typeof scratch>[0]): Promise<string> {
  const path = scratch(t);
  await createIfEmpty(path, { size: SIZE, backingFile: null });
  return path;
}

t.test("a created directory is what Longhorn would have made", async (t) => {
  const path = await fresh(t);
  t.same(readdirSync(path).sort(), [HEAD, `${HEAD}.meta`, "volume.meta"]);
  t.equal(
    readFileSync(join(path, "volume.meta"), "utf8"),
    `{"Size":16777216,"Head":"volume-head-000.img","Dirty":false,"Rebuilding":false,"Error":"","Parent":"","SectorSize":512,"BackingFilePath":""}\n`,
  );
  const meta = readFileSync(join(path, `${HEAD}.meta`), "utf8");
  t.match(meta, /^\{"Name":"volume-head-000.img","Parent":"","Removed":false,"UserCreated":false,"Created":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ","Labels":null\}\n$/); // prettier-ignore
  const head = statSync(join(path, HEAD));
  t.equal(head.size, SIZE);
  t.equal(head.blocks, 0);
});

t.test("a created directory opens; the flag is written and nothing else changes", async (t) => {
  const path = await fresh(t);
  const directory = await openDirectory(path);
  t.same(directory.chain, [HEAD]);
  t.same(directory.leftovers, []);
  const before = readFileSync(join(path, "volume.meta"), "utf8");
  const dirty = await setDirty(directory, true);
  t.equal((await openDirectory(path)).meta.dirty, true);
  await setDirty(dirty, false);
  t.equal(readFileSync(join(path, "volume.meta"), "utf8"), before);
});

t.test("keys that we do not know survive a rewrite, in their order", async (t) => {
  const path = await fresh(t);
  const meta = `{"Size":${SIZE},"Future":{"a":[1,2]},"Head":"${HEAD}","Dirty":false,"Encrypted":true}\n`;
  writeFileSync(join(path, "volume.meta"), meta);
  await setDirty(await openDirectory(path), true);
  t.equal(readFileSync(join(path, "volume.meta"), "utf8"), meta.replace('"Dirty":false', '"Dirty":true'));
});

t.test("creating again is refused when sizes differ, and nothing when they agree", async (t) => {
  const path = await fresh(t);
  await t.rejects(createIfEmpty(path, { size: SIZE * 2, backingFile: null }), { code: "SIZE_MISMATCH" });
  t.equal(await createIfEmpty(path, { size: SIZE, backingFile: null }), false);
  t.equal(await createIfEmpty(path, { size: null, backingFile: null }), false);
});

t.test(
  "a volume is not made smaller than what lies below it, nor on what ends within a sector",
  async (t) => {
    const path = scratch(t);
    const [image, volume] = [join(path, "image"), join(path, "replica")];
    mkdirSync(volume);
    for (const [bytes, reason] of [
      [SIZE + 512, /^replica size 16777216 < backing image virtual size 16777728$/],
      [SIZE - 1, /size 16777215 is not a multiple of 512/],
    ] as const) {
      writeFileSync(image, "");
      truncateSync(image, bytes);
      const refusal = { code: "SIZE_MISMATCH", message: reason };
      await t.rejects(createIfEmpty(volume, { size: SIZE, backingFile: image }), refusal);
      t.same(readdirSync(volume), []);
    }
    truncateSync(image, SIZE);
    t.equal(await createIfEmpty(volume, { size: SIZE, backingFile: image }), true);
  },
);

t.test("an empty directory without a size is not made into a volume", async (t) => {
  const path = scratch(t);
  await t.rejects(createIfEmpty(path, { size: null, backingFile: null }), {
    code: "MISSING",
    message: /size is needed/,
  });
  await t.rejects(openDirectory(path), { code: "MISSING" });
  await t.rejects(openDirectory(join(path, "absent")), { code: "MISSING" });
  await t.rejects(createIfEmpty(path, { size: 1000, backingFile: null }), { code: "SIZE_MISMATCH" });
  t.same(readdirSync(path), []);
});

t.test("an interrupted creation is completed, whichever step it had reached", async (t) => {
  const steps: [string, (path: string) => void][] = [
    ["first volume.meta aside", (path) => writeFileSync(join(path, "volume.meta.tmp"), "{")],
    ["volume.meta without a head", (path) => writeMeta(path)],
    [
      "head of another length",
      (path) => {
        writeMeta(path);
        writeFileSync(join(path, HEAD), "");
      },
    ],
    [
      "head complete",
      (path) => {
        writeMeta(path);
        writeHead(path);
      },
    ],
    [
      "head's meta",
      (path) => {
        writeMeta(path);
        writeHead(path);
        writeFileSync(join(path, `${HEAD}.meta`), "{}");
      },
    ],
  ];
  for (const [what, make] of steps) {
    const path = scratch(t);
    make(path);
    t.equal(await createIfEmpty(path, { size: SIZE, backingFile: null }), true, what);
    t.same((await openDirectory(path)).chain, [HEAD], what);
    t.equal(statSync(join(path, HEAD)).size, SIZE, what);
  }
});

function writeMeta(path: string): void {
  writeFileSync(join(path, "volume.meta"), `{"Size":${SIZE},"Head":"","SectorSize":512}\n`);
}

function writeHead(path: string): void {
  writeFileSync(join(path, HEAD), "");
  truncateSync(join(path, HEAD), SIZE);
}

t.test("volume.meta without a head beside data is damage, not an interrupted creation", async (t) => {
  const path = scratch(t);
  writeMeta(path);
  writeFileSync(join(path, HEAD), "data");
  await t.rejects(createIfEmpty(path, { size: SIZE, backingFile: null }), {
    code: "DAMAGED",
    message: /holds data/,
  });
  rmSync(join(path, HEAD));
  writeFileSync(join(path, "volume-snap-a.img"), "");
  await t.rejects(createIfEmpty(path, { size: SIZE, backingFile: null }), {
    code: "DAMAGED",
    message: /volume-snap-a/,
  });
  await t.rejects(openDirectory(path), { code: "DAMAGED", message: /names no head/ });
});

// What is done to a good directory, and what the error has to say.
const DAMAGE: [what: string, (path: string) => void, code: string, message: RegExp][] = [
  ["no volume.meta", (p) => rmSync(join(p, "volume.meta")), "FOREIGN", /volume\.meta is missing beside volume-head/],
  ["empty volume.meta", (p) => writeFileSync(join(p, "volume.meta"), ""), "DAMAGED", /volume\.meta is empty/],
  ["truncated volume.meta", (p) => writeFileSync(join(p, "volume.meta"), '{"Size":1677'), "DAMAGED", /volume\.meta is not JSON/],
  ["volume.meta of zeros", (p) => writeFileSync(join(p, "volume.meta"), Buffer.alloc(158)), "DAMAGED", /volume\.meta is not JSON/],
  ["a list in volume.meta", (p) => writeFileSync(join(p, "volume.meta"), "[]"), "DAMAGED", /volume\.meta is not a JSON object/],
  ["no size", (p) => edit(p, "volume.meta", { Size: 0 }), "DAMAGED", /volume\.meta: Size 0/],
  ["a fractional size", (p) => edit(p, "volume.meta", { Size: 1.5 }), "DAMAGED", /Size is not a number/],
  ["an odd size", (p) => edit(p, "volume.meta", { Size: 1000 }), "DAMAGED", /Size 1000/],
  ["a size as text", (p) => edit(p, "volume.meta", { Size: "16M" }), "DAMAGED", /volume\.meta: Size/],
  ["another sector size", (p) => edit(p, "volume.meta", { SectorSize: 4096 }), "UNSUPPORTED", /SectorSize 4096/],
  ["a head outside", (p) => edit(p, "volume.meta", { Head: "../volume-head-000.img" }), "DAMAGED", /volume\.meta: Head/],
  ["a head without meta", (p) => edit(p, "volume.meta", { Head: "volume-head-001.img" }), "DAMAGED", /failed to find metadata for volume-head-001\.img/],
  ["no head meta", (p) => rmSync(join(p, `${HEAD}.meta`)), "DAMAGED", /failed to find metadata for volume-head-000\.img/],
  ["an empty head meta", (p) => writeFileSync(join(p, `${HEAD}.meta`), ""), "DAMAGED", /volume-head-000\.img\.meta is empty/],
  ["an empty meta of the head's parent", (p) => { edit(p, `${HEAD}.meta`, { Parent: "volume-snap-x.img" }); writeFileSync(join(p, "volume-snap-x.img.meta"), ""); }, "DAMAGED", /volume-snap-x\.img\.meta is empty/],
  ["no data of the head's parent", (p) => { edit(p, `${HEAD}.meta`, { Parent: "volume-snap-x.img" }); writeFileSync(join(p, "volume-snap-x.img.meta"), "{}"); }, "MISSING", /volume-snap-x\.img: it is missing/],
  ["a missing parent", (p) => edit(p, `${HEAD}.meta`, { Parent: "volume-snap-a.img" }), "DAMAGED", /failed to find metadata for volume-snap-a\.img/],
  ["a parent outside", (p) => edit(p, `${HEAD}.meta`, { Parent: "../volume-snap-a.img" }), "DAMAGED", /volume-head-000\.img\.meta: Parent/],
  ["its own parent", (p) => edit(p, `${HEAD}.meta`, { Parent: HEAD }), "DAMAGED", /comes back to volume-head-000\.img/],
  ["labels that are a list", (p) => edit(p, `${HEAD}.meta`, { Labels: [] }), "DAMAGED", /volume-head-000\.img\.meta: Labels/],
  ["no head data", (p) => rmSync(join(p, HEAD)), "MISSING", /volume-head-000\.img/],
  ["a short head", (p) => truncateSync(join(p, HEAD), SIZE - 512), "SIZE_MISMATCH", /volume-head-000\.img has 16776704 bytes, the volume 16777216/],
  ["a long head", (p) => truncateSync(join(p, HEAD), SIZE + 512), "SIZE_MISMATCH", /volume-head-000\.img/],
  ["a directory for a head", (p) => { rmSync(join(p, HEAD)); mkdirSync(join(p, HEAD)); }, "FOREIGN", /volume-head-000\.img is not a plain file/],
  ["volume.meta as a directory", (p) => { rmSync(join(p, "volume.meta")); mkdirSync(join(p, "volume.meta")); }, "FOREIGN", /volume\.meta/],
  ["a dangling link for a head", (p) => { rmSync(join(p, HEAD)); symlinkSync("nowhere", join(p, HEAD)); }, "MISSING", /volume-head-000\.img/],
]; // prettier-ignore

function edit(path: string, name: string, change: object): void {
  const file = join(path, name);
  writeFileSync(file, JSON.stringify({ ...(JSON.parse(readFileSync(file, "utf8")) as object), ...change }));
}

t.test("damage is an error that names the file, and changes nothing", async (t) => {
  for (const [what, damage, code, message] of DAMAGE) {
    const path = await fresh(t);
    damage(path);
    const before = readdirSync(path);
    await t.rejects(openDirectory(path), { name: "ReplicaError", code, message }, what);
    t.same(readdirSync(path), before, what);
  }
});

t.test("damage outside the live chain is told, and the volume opens", async (t) => {
  const path = await fresh(t);
  writeFileSync(join(path, "volume-snap-empty.img.meta"), "");
  writeFileSync(join(path, "volume-snap-empty.img"), "data");
  writeFileSync(join(path, "volume-snap-gone.img.meta"), `{"Parent":"${HEAD}"}`);
  const { damaged, disks } = await openDirectory(path);
  t.same([...disks.keys()], [HEAD]);
  t.match(damaged.get("volume-snap-empty.img"), {
    error: { message: /empty\.img\.meta is empty/ },
    parent: null,
  });
  t.match(damaged.get("volume-snap-gone.img"), { error: { code: "MISSING" }, parent: HEAD });
});

t.test("snapshots may be shorter than the volume, never longer, and have to be there", async (t) => {
  const path = await fresh(t);
  const snapshot = join(path, "volume-snap-a.img");
  writeFileSync(`${snapshot}.meta`, `{"Parent":""}\n`);
  edit(path, `${HEAD}.meta`, { Parent: "volume-snap-a.img" });
  await t.rejects(openDirectory(path), { code: "MISSING", message: /volume-snap-a\.img/ });
  t.notOk(readdirSync(path).includes("volume-snap-a.img"), "it is not created");
  writeFileSync(snapshot, Buffer.alloc(4096));
  t.same((await openDirectory(path)).chain, [HEAD, "volume-snap-a.img"]);
  truncateSync(snapshot, SIZE + 4096);
  await t.rejects(openDirectory(path), { code: "SIZE_MISMATCH" });
});

t.test("a snapshot that is shorter than the one before was cut off", async (t) => {
  const path = await fresh(t);
  for (const [name, parent] of [
    ["a", ""],
    ["b", "volume-snap-a.img"],
  ] as const) {
    writeFileSync(join(path, `volume-snap-${name}.img`), "");
    truncateSync(join(path, `volume-snap-${name}.img`), SIZE);
    writeFileSync(join(path, `volume-snap-${name}.img.meta`), JSON.stringify({ Parent: parent }));
  }
  edit(path, `${HEAD}.meta`, { Parent: "volume-snap-b.img" });
  t.equal((await openDirectory(path)).chain.length, 3);
  truncateSync(join(path, "volume-snap-b.img"), SIZE / 2);
  await t.rejects(openDirectory(path), { code: "SIZE_MISMATCH", message: /volume-snap-b\.img has/ });
});

t.test("leftovers are listed and stay", async (t) => {
  const path = await fresh(t);
  writeFileSync(join(path, "volume.meta.tmp"), "half");
  writeFileSync(join(path, "volume-head-001.img"), "");
  writeFileSync(join(path, "volume-snap-gone.img.meta"), `{"Parent":""}`);
  const directory = await openDirectory(path);
  t.same(directory.leftovers, ["volume-head-001.img", "volume-snap-gone.img.meta", "volume.meta.tmp"]);
  t.equal(readFileSync(join(path, "volume.meta.tmp"), "utf8"), "half");
});

t.test("a chain of 250 files opens, one of 251 is refused", async (t) => {
  const path = await fresh(t);
  const name = (i: number) => `volume-snap-${i}.img`;
  for (let i = 0; i < 250; i++) {
    writeFileSync(join(path, name(i)), "");
    writeFileSync(join(path, `${name(i)}.meta`), JSON.stringify({ Parent: i === 0 ? "" : name(i - 1) }));
  }
  edit(path, `${HEAD}.meta`, { Parent: name(248) });
  t.equal((await openDirectory(path)).chain.length, 250);
  edit(path, `${HEAD}.meta`, { Parent: name(249) });
  await t.rejects(openDirectory(path), { code: "DAMAGED", message: /live chain is too long: 251/ });
});

t.test("a directory with other files is foreign", async (t) => {
  const path = await fresh(t);
  renameSync(join(path, HEAD), join(path, "notes.txt"));
  rmSync(join(path, "volume.meta"));
  rmSync(join(path, `${HEAD}.meta`));
  await t.rejects(createIfEmpty(path, { size: SIZE, backingFile: null }), {
    code: "FOREIGN",
    message: /notes\.txt/,
  });
});
