/** On a loop device, which stands for the volume's. */
import { execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { pino } from "pino";
import t, { type Test } from "tap";
import { FilesystemFreeze } from "./filesystem-freeze.js";

const run = promisify(execFile);
const SIZE = 64 << 20;
const LIMIT_MS = 60_000;

interface Mounted {
  device: string;
  mount: string;
  log: string[];
  freeze: FilesystemFreeze;
}

function canMount(): boolean {
  if (process.getuid?.() !== 0) return false;
  try {
    execFileSync("losetup", ["--find"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

const skip = canMount() ? false : "only root mounts";

async function mounted(test: Test, limitMs = LIMIT_MS): Promise<Mounted> {
  const directory = mkdtempSync(join(tmpdir(), "aurochs-freeze-"));
  const image = join(directory, "image");
  const mount = join(directory, "mount point");
  writeFileSync(image, "");
  truncateSync(image, SIZE);
  await run("mkfs.ext4", ["-q", image]);
  await run("mkdir", [mount]);
  const device = (await run("losetup", ["--find", "--show", image])).stdout.trim();
  await run("mount", [device, mount]);
  test.teardown(async () => {
    await run("fsfreeze", ["-u", mount]).catch(() => undefined);
    await run("umount", [mount]);
    await run("losetup", ["-d", device]);
    rmSync(directory, { recursive: true });
  });
  const log: string[] = [];
  const logger = pino({ level: "info" }, { write: (line: string) => void log.push(line) });
  return { device, mount, log, freeze: new FilesystemFreeze(logger, limitMs) };
}

/** Begins to make a file, which waits while the file system is frozen.
 * @returns whether it is there */
function touch(mount: string): () => boolean {
  let done = false;
  void once(spawn("touch", [join(mount, "file")]), "exit").then(() => (done = true));
  return () => done;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(5);
}

t.test("what is written waits until the snapshot is taken", { skip }, async (t) => {
  const { device, mount, log, freeze } = await mounted(t);
  let touched = () => false;
  const result = await freeze.during(device, async () => {
    touched = touch(mount);
    await t.rejects(
      freeze.during(device, () => Promise.resolve()),
      { message: "filesystem is already being frozen for a different snapshot" },
    );
    await sleep(300);
    t.equal(touched(), false);
    await t.rejects(run("umount", [mount]), "nobody takes it away meanwhile");
    return "taken";
  });
  t.equal(result, "taken");
  await until(touched);
  t.match(log.join(""), new RegExp(`Freezing filesystem mounted at ${mount}.*Unfreezing filesystem mounted at ${mount}`, "s")); // prettier-ignore
});

t.test("it is unfrozen when the snapshot fails, and when it takes too long", { skip }, async (t) => {
  const { device, mount, freeze } = await mounted(t, 300);
  await t.rejects(
    freeze.during(device, () => Promise.reject(new Error("no room"))),
    { message: "no room" },
  );
  await until(touch(mount));
  await freeze.during(device, () => until(touch(mount)));
});

t.test("an engine that was killed leaves it frozen, the next one does not", { skip }, async (t) => {
  const { device, mount, freeze } = await mounted(t);
  await run("fsfreeze", ["-f", mount]);
  await freeze.thawLeftover(device);
  await until(touch(mount));
  await freeze.thawLeftover(device);
  await freeze.thawLeftover("/dev/null");
});

t.test("without a device, or a file system on it, there is nothing to be frozen", { skip }, async (t) => {
  const { device, mount, freeze } = await mounted(t);
  await run("umount", [mount]);
  for (const path of [device, "/nowhere", "/dev/null"])
    t.equal(await freeze.during(path, () => Promise.resolve(path)), path);
  await run("mount", [device, mount]);
});
