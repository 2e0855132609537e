import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { pino } from "pino";
import t from "tap";
import { openStore, type ReplicaStore } from "../../native/index.js";
import { chainFrom } from "../../replica/chain.js";
import { openDirectory } from "../../replica/directory.js";
import { HostedReplica } from "../../replica/hosted-replica.js";
import { ReplicaDecisions } from "../../replica/replica-decisions.js";
import { layersOf } from "../../replica/layers.js";
import { readManifests, archiveFolder, sparseScratch, unpack, type GoldenReplica } from "./archives.js";
import { sparseHash } from "./sparse-hash.js";

const CHUNK_BYTES = 1 << 20;
const GROWTH_BYTES = 4 << 20;
const CREATED = "2026-05-06T07:08:09Z";

type Tap = Pick<typeof t, "same" | "match" | "equal" | "ok">;

const folder = archiveFolder();
const log = pino({ level: "silent" });

// Gigabytes are unpacked, read and hashed, on boards with an SD card as well.
t.setTimeout(900_000);

function hashOf(store: ReplicaStore, size: number): Promise<string> {
  return sparseHash(size, (at, length) => store.read(at, length));
}

async function fileHash(path: string): Promise<string> {
  const file = await open(path);
  const bytes = Buffer.alloc(CHUNK_BYTES);
  try {
    return await sparseHash((await file.stat()).size, async (at, length) => {
      const { bytesRead } = await file.read(bytes, 0, length, at);
      return bytes.subarray(0, bytesRead);
    });
  } finally {
    await file.close();
  }
}

/** Reads the volume as it was at data file `top`; a snapshot is read below an empty head aside. */
async function contentAt(
  path: string,
  top: string,
  aside: string,
  backingFile: string | null,
): Promise<string> {
  const directory = await openDirectory(path);
  const { size } = directory.meta;
  const { layers, backing } = await layersOf(directory, chainFrom(top, directory), backingFile);
  const empty = join(aside, "empty.img");
  const regionMapPath = join(aside, "regions");
  writeFileSync(empty, "");
  truncateSync(empty, size);
  if (top !== directory.meta.head) layers.push({ path: empty });
  const store = await openStore(
    { layers, backing, size, cache: "writeback", regionMapPath, regionSize: 1 << 20, ioThreads: 1 },
    (error) => t.fail(error.message),
  );
  const hash = await hashOf(store, size);
  await store.close();
  rmSync(empty);
  rmSync(regionMapPath);
  return hash;
}

/** Longhorn's files as they are now: content and allocated bytes; of volume.meta all but the flag that we set. */
async function stateOf(
  path: string,
  golden: GoldenReplica,
  backingFile: string | null,
): Promise<Record<string, unknown>> {
  const state: Record<string, unknown> = {};
  for (const name of Object.keys(golden.files)) {
    const file = join(path, name);
    state[name] =
      name === "volume.meta"
        ? { ...(JSON.parse(volumeMetaOf(path, golden, backingFile)) as object), Dirty: null }
        : [await fileHash(file), statSync(file).blocks];
  }
  return state;
}

/** The text of volume.meta, with the backing file where it was: it says where it lies now once it was opened. */
function volumeMetaOf(path: string, golden: GoldenReplica, backingFile: string | null): string {
  const text = readFileSync(join(path, "volume.meta"), "utf8");
  const was = JSON.stringify(golden.volume_meta.BackingFilePath);
  return backingFile === null ? text : text.replace(JSON.stringify(backingFile), was);
}

/** What holds of every directory that is closed. */
function checkRules(t: Tap, path: string): void {
  const names = readdirSync(path);
  const parse = (name: string) =>
    JSON.parse(readFileSync(join(path, name), "utf8")) as Record<string, unknown>;
  const volume = parse("volume.meta");
  t.same(Object.keys(volume).slice(0, 8), ["Size", "Head", "Dirty", "Rebuilding", "Error", "Parent", "SectorSize", "BackingFilePath"]); // prettier-ignore
  t.match(volume, { Dirty: false, Rebuilding: false, Error: "", SectorSize: 512 });
  t.equal(statSync(join(path, String(volume["Head"]))).size, volume["Size"]);
  t.equal(parse(`${String(volume["Head"])}.meta`)["Parent"], volume["Parent"]);
  for (const name of names.filter((name) => name.endsWith(".img"))) {
    t.ok(names.includes(`${name}.meta`), `${name} has a meta`);
    t.ok(statSync(join(path, name)).size <= Number(volume["Size"]));
    t.equal(statSync(join(path, name)).nlink, 1, `${name} has no second name`);
  }
  for (const name of names.filter((name) => name.endsWith(".img.meta"))) {
    const parent = String(parse(name)["Parent"]);
    t.ok(names.includes(name.slice(0, -".meta".length)), `${name} has its data`);
    t.ok(parent === "" || names.includes(parent), `${name} has a parent`);
  }
  t.same(names.filter((name) => name.endsWith(".tmp")), []); // prettier-ignore
}

for (const archive of readManifests(folder)) {
  t.test(archive.name, async (t) => {
    const root = sparseScratch();
    t.teardown(() => rmSync(root, { recursive: true, force: true }));
    unpack(join(folder, archive.archive), root);
    const aside = join(root, "aside");
    mkdirSync(aside);
    const image = archive.backing_image;
    const backingFile = image === undefined ? null : join(root, image.file_in_archive);

    for (const golden of [archive, ...(archive.other_replicas ?? [])]) {
      const path = join(root, golden.replica_dir);
      const before = await stateOf(path, golden, backingFile);
      for (const [name, { sha256 }] of Object.entries(golden.files)) {
        if (sha256 === undefined || name === "volume.meta") continue;
        t.equal((before[name] as string[])[0], sha256, `${golden.replica_dir}/${name} was unpacked well`);
      }

      t.test(`${golden.replica_dir} reads back`, async (t) => {
        const directory = await openDirectory(path);
        if (golden.content_sha256 !== undefined) {
          t.equal(
            await contentAt(path, directory.meta.head, aside, backingFile),
            golden.content_sha256,
            "volume",
          );
        }
        for (const [name, snapshot] of Object.entries(golden.snapshots ?? {})) {
          if (snapshot.note !== undefined) continue; // nobody may rely on its content
          const content = await contentAt(path, `volume-snap-${name}.img`, aside, backingFile);
          t.equal(content, snapshot.sha256, `snapshot ${name}`);
        }
      });

      t.test(`${golden.replica_dir} is hosted and unharmed`, async (t) => {
        const replica = await HostedReplica.open(
          { directory: path, size: null, volume: archive.volume_name, replicaId: "golden", cache: "writeback", backingFile, bootIdFile: null }, // prettier-ignore
          log,
        );
        const facts = await new ReplicaDecisions(replica, log).identify();
        t.equal(facts.size, archive.volume_size);
        t.equal(facts.revision, golden.revision_counter ?? facts.revision);
        t.equal(facts.inheritedRegions, 0);
        t.equal(facts.unfit, golden.volume_meta.Rebuilding ? "its rebuild was interrupted" : "");
        await replica.close();
        t.same(await stateOf(path, golden, backingFile), before, "unharmed");
        t.equal((await openDirectory(path)).meta.dirty, false, "closed in order");
        if (!golden.volume_meta.Dirty) {
          const meta = createHash("sha256")
            .update(volumeMetaOf(path, golden, backingFile))
            .digest("hex");
          t.equal(meta, golden.files["volume.meta"]?.sha256 ?? meta, "volume.meta is the same byte for byte");
        }
      });

      t.test(`${golden.replica_dir} takes a snapshot, a purge, an expansion and a revert`, async (t) => {
        if (golden.volume_meta.Rebuilding) return;
        const replica = await HostedReplica.open(
          { directory: path, size: null, volume: null, replicaId: null, cache: "writeback", backingFile, bootIdFile: null }, // prettier-ignore
          log,
        );
        const { current } = replica;
        if (current === null) throw new Error("it is not open");
        const { chain, purge } = current;
        const { store } = current.replica;
        const { size } = chain.directory.meta;
        const before = await hashOf(store, size);
        const oldHead = chain.directory.meta.head;
        const oldParent = chain.directory.meta.parent;
        const request = {
          name: "golden",
          userCreated: true,
          created: CREATED,
          labels: { b: "2", a: "1" },
          size: null,
        };
        await replica.run(() => chain.snapshot(request));
        t.equal(
          readFileSync(join(path, "volume-snap-golden.img.meta"), "utf8"),
          `{"Name":"${oldHead}","Parent":"${oldParent}","Removed":false,"UserCreated":true,"Created":"${CREATED}","Labels":{"a":"1","b":"2"}}\n`,
        );
        t.equal(await hashOf(store, size), before, "after the snapshot");

        await purge.run();
        t.equal(purge.status.state, "complete", purge.status.error);
        t.equal(await hashOf(store, size), before, "after the purge");
        for (const [name, { sha256, note }] of Object.entries(golden.snapshots ?? {})) {
          const disk = chain.directory.disks.get(`volume-snap-${name}.img`);
          if (note !== undefined || disk === undefined || disk.removed) continue;
          t.equal(
            await contentAt(path, `volume-snap-${name}.img`, aside, backingFile),
            sha256,
            `snapshot ${name}`,
          );
        }

        await replica.run(() => chain.expand(Math.ceil(size / GROWTH_BYTES + 1) * GROWTH_BYTES, CREATED));
        t.equal(await hashOf(store, size), before, "after the expansion");
        await store.write(0, Buffer.alloc(CHUNK_BYTES, 7));
        await replica.run(() => chain.revert("volume-snap-golden.img", CREATED));
        t.equal(await hashOf(store, size), before, "after the revert");
        await replica.close();
        checkRules(t, path);
      });
    }
  });
}
