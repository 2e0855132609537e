/** What is on a device before a file system is made there: nothing of somebody is ever overwritten. On loop devices; needs root. */
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { SystemCommands } from "../../csi/host/commands.js";
import { contentOf, setMark } from "../../csi/host/content.js";
import { prepareFileSystem } from "../../csi/host/file-systems.js";
import { run, sleep, startDaemon } from "../tools/process.js";
import { numbers } from "../tools/random.js";
import { checkFileSystem, FILE_SYSTEMS } from "../workloads/file-system.js";

const SIZE = 320 << 20;
const SEED = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
const FAILED_PRECONDITION = 9;
const ABORTED = 10;

const commands = new SystemCommands();
const folder = mkdtempSync(join(tmpdir(), "aurochs-format-"));
t.teardown(() => rmSync(folder, { recursive: true }));

/** @returns the path of a loop device that holds nothing */
async function blank(t: Test): Promise<string> {
  const file = join(folder, "disk");
  writeFileSync(file, "");
  truncateSync(file, SIZE);
  const device = (await run("losetup", ["--show", "--find", file])).trim();
  t.teardown(() => run("losetup", ["--detach", device]));
  return device;
}

async function put(device: string, offset: number, bytes: Buffer): Promise<void> {
  const file = await open(device, "r+");
  await file.write(bytes, 0, bytes.length, offset);
  await file.sync();
  await file.close();
}

const prepare = (device: string, type: string) =>
  prepareFileSystem(commands, { device, volume: "data", type, parameters: [] });

/** That it is refused, and not a byte of it is changed. */
async function checkRefused(t: Test, device: string, type = "ext4"): Promise<void> {
  const before = readFileSync(join(folder, "disk"));
  await t.rejects(prepare(device, type), { code: FAILED_PRECONDITION });
  t.ok(readFileSync(join(folder, "disk")).equals(before), "nothing of it is changed");
}

for (const type of FILE_SYSTEMS) {
  t.test(`${type}: made once on what holds nothing, then left alone, and no mark is left`, async (t) => {
    const device = await blank(t);
    await prepare(device, type);
    await checkFileSystem(type, device);
    const uuid = await run("blkid", ["-p", "-o", "value", "-s", "UUID", device]);
    t.match(await contentOf(commands, device, "data"), { type, isMarked: false });
    await prepare(device, type);
    t.equal(await run("blkid", ["-p", "-o", "value", "-s", "UUID", device]), uuid);
  });

  t.test(`${type}: a format that is killed at any moment begins anew`, async (t) => {
    const below = numbers(SEED);
    t.comment(`SEED=${SEED}`);
    for (let round = 0; round < 15; round++) {
      const file = join(folder, "disk");
      const device = await blank(t);
      await setMark(device, "data");
      const args = type === "ext4" ? ["-q", "-F", "-E", "nodiscard", "-b4096"] : ["-q", "-f", "-K"];
      const mkfs = startDaemon(`mkfs.${type}`, [...args, device]);
      await sleep(below(60));
      mkfs.child.kill("SIGKILL");
      await mkfs.ended;
      await prepare(device, type);
      await checkFileSystem(type, device);
      t.match(await contentOf(commands, device, "data"), { type, isMarked: false }, file);
    }
  });

  t.test(`${type}: a mark that was left on a whole one is taken away, and nothing else`, async (t) => {
    const device = await blank(t);
    await prepare(device, type);
    const uuid = await run("blkid", ["-p", "-o", "value", "-s", "UUID", device]);
    await setMark(device, "data");
    await prepare(device, type);
    t.equal(await run("blkid", ["-p", "-o", "value", "-s", "UUID", device]), uuid);
    t.match(await contentOf(commands, device, "data"), { type, isMarked: false });
  });
}

t.test("what is not known, or something else, is refused and not changed", async (t) => {
  const noise = Buffer.alloc(512, "somebody's");
  for (const [what, offset] of [
    ["in the first sector", 0],
    ["some way in", 700 << 10],
    ["at the end", SIZE - 512],
    ["near the end", SIZE - (900 << 10)],
  ] as const)
    await t.test(what, async (t) => {
      const device = await blank(t);
      await put(device, offset, noise);
      await checkRefused(t, device);
    });
  await t.test("another volume's mark", async (t) => {
    const device = await blank(t);
    await setMark(device, "other");
    await checkRefused(t, device);
  });
  await t.test("another file system, with a mark of ours as well", async (t) => {
    const device = await blank(t);
    await prepare(device, "xfs");
    await checkRefused(t, device, "ext4");
    await setMark(device, "data");
    await checkRefused(t, device, "ext4");
  });
  await t.test("swap", async (t) => {
    const device = await blank(t);
    await run("mkswap", [device]);
    await checkRefused(t, device);
  });
  await t.test("two things", async (t) => {
    const device = await blank(t);
    await prepare(device, "ext4");
    await put(device, 0, Buffer.from("XFSB"));
    await put(device, SIZE - 512, Buffer.from("EFI PART"));
    await put(device, 510, Buffer.from([0x55, 0xaa]));
    await put(device, 446, Buffer.from([0, 0, 2, 0, 0xee, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0xff, 0xff, 0, 0]));
    await checkRefused(t, device);
  });
});

t.test("a device that is mounted is not looked at", async (t) => {
  const device = await blank(t);
  await prepare(device, "ext4");
  const mountPoint = mkdtempSync(join(folder, "mount-"));
  await run("mount", [device, mountPoint]);
  await t.rejects(prepare(device, "ext4"), { code: ABORTED });
  await run("umount", [mountPoint]);
});
