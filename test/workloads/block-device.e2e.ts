/** The block device under the databases: what they ask for has to arrive at the target, or the power cuts prove nothing. */
import {
  closeSync,
  fdatasyncSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  rmdirSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { withCluster } from "../engine/cluster.js";
import { run, sleep } from "../tools/process.js";
import { BlockDevice } from "./block-device.js";
import { FILE_SYSTEMS, checkFileSystem, makeFileSystem, mount, unmount } from "./file-system.js";

/** xfs wants 300 MiB. */
const SIZE = "320MiB";
const BLOCK = 4096;
const SYNCS = 20;
const MEBIBYTE = 1024 * 1024;

/** Where to mount it; in the end nothing of either is left, whatever has happened. */
function place(t: Test, device: BlockDevice): string {
  const mountPoint = mkdtempSync(join(tmpdir(), "aurochs-mnt-"));
  t.teardown(async () => {
    device.kill();
    await run("umount", [mountPoint]).catch(() => undefined);
    await device.remove();
    rmdirSync(mountPoint);
  });
  return mountPoint;
}

for (const type of FILE_SYSTEMS) {
  t.test(`${type}: each fdatasync is a SYNCHRONIZE CACHE, a removed file an UNMAP`, async (t) => {
    await withCluster(SIZE, async (cluster) => {
      await cluster.addReplica();
      const engine = await cluster.startEngine();
      const device = await BlockDevice.attach(engine.url());
      const mountPoint = place(t, device);
      await makeFileSystem(type, device.path);
      await mount(type, device.path, mountPoint);

      const path = join(mountPoint, "file");
      writeFileSync(path, Buffer.alloc(16 * MEBIBYTE, 1), { flush: true });
      await run("sync", ["--file-system", mountPoint]);
      const before = device.counts();
      const fd = openSync(path, "r+");
      for (let count = 0; count < SYNCS; count++) {
        writeSync(fd, Buffer.alloc(BLOCK, 2 + count), 0, BLOCK, count * BLOCK);
        fdatasyncSync(fd);
      }
      closeSync(fd);
      const after = device.counts();
      t.ok(after.flushes - before.flushes >= SYNCS, `${after.flushes - before.flushes} flushes`);
      t.ok(after.writes - before.writes >= SYNCS, `${after.writes - before.writes} writes`);

      rmSync(path);
      await run("sync", ["--file-system", mountPoint]);
      await unmount(mountPoint);
      t.ok(device.counts().unmaps > after.unmaps, "space goes back");
      await checkFileSystem(type, device.path);
      t.equal(device.errors(), "");
      await device.detach();
    });
  });
}

t.test("I/O waits while the engine is away, and nothing is lost", async (t) => {
  await withCluster(SIZE, async (cluster) => {
    await cluster.addReplica();
    await cluster.addReplica();
    const engine = await cluster.startEngine();
    cluster.portal = new URL(engine.url().replace(/^iscsi/, "http")).host;
    const device = await BlockDevice.attach(engine.url());
    const mountPoint = place(t, device);
    await makeFileSystem("ext4", device.path);
    await mount("ext4", device.path, mountPoint);

    const content = Buffer.alloc(16 * MEBIBYTE, "aurochs");
    writeFileSync(join(mountPoint, "content"), content);
    const source = `if=${join(mountPoint, "content")}`;
    const copying = run("dd", [
      source,
      `of=${join(mountPoint, "copy")}`,
      "bs=64k",
      "oflag=dsync",
      "status=none",
    ]);
    let finished = false;
    void copying.then(() => (finished = true));
    await sleep(200);
    await cluster.kill(engine.process);
    await sleep(500);
    t.notOk(finished, "it waits");
    await cluster.startEngine();
    await copying;
    t.ok(device.counts().logins >= 2, "logged in again");
    await unmount(mountPoint);
    await mount("ext4", device.path, mountPoint);
    t.ok(readFileSync(join(mountPoint, "copy")).equals(content));
    await unmount(mountPoint);
    await checkFileSystem("ext4", device.path);
    t.equal(device.errors(), "");
    await device.detach();
  });
});

t.test("the initiator's machine dies: its devices and mounts go", async (t) => {
  await withCluster(SIZE, async (cluster) => {
    await cluster.addReplica();
    const engine = await cluster.startEngine();
    const device = await BlockDevice.attach(engine.url());
    const mountPoint = place(t, device);
    await makeFileSystem("ext4", device.path);
    await mount("ext4", device.path, mountPoint);
    writeFileSync(join(mountPoint, "synced"), "is kept", { flush: true });
    await run("sync", ["--file-system", mountPoint]);
    writeFileSync(join(mountPoint, "unsynced"), "is forgotten");
    device.kill();
    await unmount(mountPoint);
    await device.remove();
    t.notMatch(readFileSync("/proc/mounts", "utf8"), "aurochs-lun-");

    const again = await BlockDevice.attach(engine.url());
    await mount("ext4", again.path, mountPoint);
    t.equal(readFileSync(join(mountPoint, "synced"), "utf8"), "is kept");
    t.notOk(readdirSync(mountPoint).includes("unsynced"));
    await unmount(mountPoint);
    await checkFileSystem("ext4", again.path);
    await again.detach();
  });
});
