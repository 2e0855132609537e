/** Plain files on disks that lose their power, or fail. */
import { truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { ReplicaMode } from "../../proto/longhorn.js";
import { CALL, FILES, FileEngine, SERVED, SIZE } from "../engine/file-engine.js";
import { IscsiIo } from "../tools/iscsi-io.js";
import { waitFor } from "../tools/process.js";
import { ForgetfulDisk } from "./forgetful-disk.js";

const MIB = 1 << 20;
const DISK_MEBIBYTES = 512;

function fileOn(disk: ForgetfulDisk): string {
  const path = join(disk.mountPoint, "file");
  writeFileSync(path, "", { flush: true });
  truncateSync(path, SIZE);
  return path;
}

t.test("what was flushed is in the file after a power cut", async (t) => {
  const disk = await ForgetfulDisk.make("ext4", DISK_MEBIBYTES);
  t.teardown(() => disk.remove());
  const engine = await FileEngine.start(t);
  const path = fileOn(disk);
  await engine.volumeStart([path]);
  await engine.calls.volumeFrontendStart(SERVED, CALL);
  const io = await IscsiIo.connect(engine.iscsi);
  await io.write(0, MIB, 1);
  await io.flush();
  disk.cutPower({ seed: 1, keep: 0, granule: 4096 });
  io.kill();
  engine.process.child.kill("SIGKILL");
  await engine.process.ended;
  await disk.powerOff();
  await disk.powerOn();
  await engine.run(t, [...FILES, "--replica", `file://${path}`, "--frontend", SERVED.frontend]);
  const after = await IscsiIo.connect(engine.iscsi);
  t.strictSame(await after.read(0, MIB), [{ version: 1, sectors: MIB / 512 }]);
  after.kill();
  engine.process.child.kill("SIGTERM");
  await engine.process.ended;
});

t.test("a file that cannot be synced is held on to until it is marked, or removed", async (t) => {
  const disk = await ForgetfulDisk.make("ext4", DISK_MEBIBYTES);
  t.teardown(() => disk.remove());
  const engine = await FileEngine.start(t);
  const [bad, good] = [fileOn(disk), engine.file()];
  await engine.volumeStart([bad, good]);
  await engine.allRw();
  await engine.calls.volumeFrontendStart(SERVED, CALL);
  const io = await IscsiIo.connect(engine.iscsi);
  await io.write(0, MIB, 1);
  disk.fail("sync-error 0");
  let flushed = false;
  const flush = io.flush().then(() => (flushed = true));
  await waitFor("the mark to fail", CALL.timeoutMs, () =>
    engine.process.output().includes("could not be told that it failed") ? true : undefined,
  );
  t.notOk(flushed);
  await engine.delete(bad);
  await flush;
  t.strictSame(await engine.list(), [[good, ReplicaMode.RW]]);
  await io.write(MIB, MIB, 2);
  await io.flush();
  for (const version of [1, 2])
    t.strictSame(await io.read((version - 1) * MIB, MIB), [{ version, sectors: MIB / 512 }]);
  io.kill();
});

t.test("where the only file cannot be synced, a flush is an error", async (t) => {
  const disk = await ForgetfulDisk.make("ext4", DISK_MEBIBYTES);
  t.teardown(() => disk.remove());
  const engine = await FileEngine.start(t);
  await engine.volumeStart([fileOn(disk)]);
  await engine.calls.volumeFrontendStart(SERVED, CALL);
  const io = await IscsiIo.connect(engine.iscsi);
  await io.write(0, MIB, 1);
  disk.fail("sync-error 0");
  await t.rejects(io.flush());
  await t.rejects(io.write(0, MIB, 2), "nor is anything taken after it");
  io.kill();
});
