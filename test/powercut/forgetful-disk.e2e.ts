/** The disk itself has to forget, or the power cut test proves nothing. */
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { run } from "../tools/process.js";
import { ForgetfulDisk } from "./forgetful-disk.js";

const LENGTH = 1024 * 1024;

function write(path: string, byte: number, options: { sync: boolean }): void {
  const fd = openSync(path, existsSync(path) ? "r+" : "w");
  try {
    writeSync(fd, Buffer.alloc(LENGTH, byte), 0, LENGTH, 0);
    if (options.sync) fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function count(path: string, byte: number): number {
  return readFileSync(path).reduce((sum, value) => sum + (value === byte ? 1 : 0), 0);
}

for (const type of ["ext4", "xfs"] as const) {
  t.test(`${type} on the forgetful disk: what was synced survives, what was not is gone`, async (t) => {
    const disk = await ForgetfulDisk.make(type, 512);
    t.teardown(() => disk.remove());
    const path = (name: string): string => join(disk.mountPoint, name);
    write(path("synced"), 1, { sync: true });
    write(path("unsynced"), 1, { sync: false });
    disk.cutPower({ seed: 1, keep: 0, granule: 4096 });
    t.match(disk.status(), /cut$/);
    t.throws(() => write(path("late"), 1, { sync: true }), "a disk without power takes nothing");
    await disk.powerOff();
    await disk.powerOn();
    t.equal(count(path("synced"), 1), LENGTH);
    t.notOk(existsSync(path("unsynced")) && count(path("unsynced"), 1) === LENGTH);
    t.notOk(existsSync(path("late")));
  });
}

t.test("a cut tears and mixes unsynced writes by its seed", async (t) => {
  const disk = await ForgetfulDisk.make("ext4", 512);
  t.teardown(() => disk.remove());
  const path = join(disk.mountPoint, "file");
  write(path, 1, { sync: true });
  // O_DIRECT: the loop device has got the data, but nobody has asked it to keep them.
  const source = join(t.testdir(), "twos");
  writeFileSync(source, Buffer.alloc(LENGTH, 2));
  await run("dd", [`if=${source}`, `of=${path}`, "bs=64k", "oflag=direct", "conv=notrunc", "status=none"]);
  disk.cutPower({ seed: 7, keep: 50, granule: 512 });
  await disk.powerOff();
  await disk.powerOn();
  const survived = count(path, 2);
  t.ok(survived > LENGTH / 4 && survived < (LENGTH * 3) / 4, `${survived} of ${LENGTH} bytes survived`);
  t.equal(count(path, 1) + survived, LENGTH, "every byte is the old or the new one");
});
