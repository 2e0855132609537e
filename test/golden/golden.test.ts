import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
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

const CHUNK_BYTES = 1 << 20;

const folder = archiveFolder();
const log = pino({ level: "silent" });

// Gigabytes are unpacked, read and hashed, on boards with an SD card as well.
t.setTimeout(900_000);

async function hashOf(store: ReplicaStore, size: number): Promise<string> {
  const hash = createHash("sha256");
  for (let at = 0; at < size; at += CHUNK_BYTES)
    hash.update(await store.read(at, Math.min(CHUNK_BYTES, size - at)));
  return hash.digest("hex");
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
function stateOf(path: string, golden: GoldenReplica): Record<string, unknown> {
  const state: Record<string, unknown> = {};
  for (const name of Object.keys(golden.files)) {
    const bytes = readFileSync(join(path, name));
    state[name] =
      name === "volume.meta"
        ? { ...(JSON.parse(bytes.toString()) as object), Dirty: null }
        : [createHash("sha256").update(bytes).digest("hex"), statSync(join(path, name)).blocks];
  }
  return state;
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
      const before = stateOf(path, golden);
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
        t.same(stateOf(path, golden), before, "unharmed");
        t.equal((await openDirectory(path)).meta.dirty, false, "closed in order");
        if (!golden.volume_meta.Dirty) {
          const meta = createHash("sha256")
            .update(readFileSync(join(path, "volume.meta")))
            .digest("hex");
          t.equal(meta, golden.files["volume.meta"]?.sha256 ?? meta, "volume.meta is the same byte for byte");
        }
      });
    }
  });
}
