/** Replicas on file systems that fill up. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { IscsiIo } from "../tools/iscsi-io.js";
import { waitFor } from "../tools/process.js";
import { Cluster } from "./cluster.js";
import { LonghornCluster } from "./longhorn-cluster.js";

const MIB = 1 << 20;
const WAIT_MS = 60_000;
const VOLUME_MIB = 64;

/** A small file system of its own for one replica. */
function mountSmall(
  cluster: { directory: string },
  name: string,
  mebibytes: number,
): { path: string; unmount: () => void } {
  const path = join(cluster.directory, name);
  const image = `${path}.img`;
  mkdirSync(path);
  writeFileSync(image, "");
  truncateSync(image, mebibytes * MIB);
  execFileSync("mkfs.ext4", ["-q", image]);
  execFileSync("mount", ["-o", "loop", image, path]);
  return { path, unmount: () => execFileSync("umount", ["-l", path]) };
}

/** Writes a MiB at a time until one fails. @returns how many were written */
async function fill(io: IscsiIo): Promise<{ written: number; error: Error | null }> {
  for (let written = 0; written < VOLUME_MIB; written++) {
    try {
      await io.write(written * MIB, MIB, written + 1);
    } catch (error) {
      return { written, error: error as Error };
    }
  }
  return { written: VOLUME_MIB, error: null };
}

t.test("when all replicas are full a write fails, and no copy is lost", async (t) => {
  const cluster = new Cluster(`${VOLUME_MIB}MiB`);
  const disks = [mountSmall(cluster, "disk1", 40), mountSmall(cluster, "disk2", 40)];
  try {
    for (const { path } of disks) await cluster.addReplica(join(path, "replica"));
    const engine = await cluster.startEngine();
    const io = await IscsiIo.connect(engine.url());
    const { written, error } = await fill(io);
    t.match(error, Error);
    t.ok(written > 8, `${written} MiB fitted`);
    t.match((await engine.status()).replicas, [{ mode: "RW" }, { mode: "RW" }]);
    for (let mib = 0; mib < written; mib++) {
      t.strictSame(await io.read(mib * MIB, MIB), [{ version: mib + 1, sectors: 2048 }]);
    }
    const first = await io.read(written * MIB, MIB);
    for (let round = 0; round < 4; round++)
      t.strictSame(await io.read(written * MIB, MIB), first, "copies agree");
    io.kill();
  } finally {
    await cluster.end();
    for (const { unmount } of disks) unmount();
    cluster.remove();
  }
});

t.test("a replica that is full while another is not is dropped", async (t) => {
  const cluster = new Cluster(`${VOLUME_MIB}MiB`);
  const small = mountSmall(cluster, "disk1", 40);
  try {
    await cluster.addReplica(join(small.path, "replica"));
    await cluster.addReplica();
    const engine = await cluster.startEngine();
    const io = await IscsiIo.connect(engine.url());
    t.strictSame(await fill(io), { written: VOLUME_MIB, error: null });
    // It is tried again and again, for as long as it is full.
    const replicas = await waitFor("the full replica to be left out", WAIT_MS, async () => {
      const { replicas } = await engine.status();
      return replicas[0]?.mode === "ERR" ? replicas : undefined;
    });
    t.match(replicas, [{ cause: /out of space|NO_SPACE/ }, { mode: "RW" }]);
    io.kill();
  } finally {
    await cluster.end();
    small.unmount();
    cluster.remove();
  }
});

t.test("a replica that is added and too small for the data is refused, and says why", async (t) => {
  const cluster = new LonghornCluster(VOLUME_MIB * MIB);
  const { path, unmount } = mountSmall(cluster, "disk1", 40);
  try {
    const first = await cluster.addNode();
    const engine = await cluster.startEngine([first]);
    const io = await IscsiIo.connect(engine.iscsi);
    t.match(await fill(io), { written: VOLUME_MIB, error: null });
    await io.logout();
    const small = await cluster.addNode([], join(path, "replica"));
    await t.rejects(cluster.add(engine, small), {
      message: /write volume-snap-[^ ]+\.img: no space left on device/,
    });
    t.notMatch(await cluster.modes(engine), /RW RW/);
    const files = readdirSync(join(path, "replica"));
    t.ok(
      files.some((name) => /^volume-snap-.*\.img\.receiving$/.test(name)),
      "what came is marked as not whole",
    );
  } finally {
    unmount();
    await cluster.end();
  }
});
