/**
 * Copies stay equal under overlapping writers, and become equal again after a crash of everything in the middle of
 * writes. AUROCHS_SECONDS makes it longer than the few seconds of the test command.
 */
import { join } from "node:path";
import t from "tap";
import { IscsiIo } from "../tools/iscsi-io.js";
import { isAlive, run, sleep, startDaemon, waitFor, type Daemon } from "../tools/process.js";
import { startVolume, withVolume, type RunningVolume } from "../tools/volume.js";

const SECONDS = Number(process.env["AUROCHS_SECONDS"] ?? 8);
const CRASHES = 3;
const SIZE = "64MiB";
/** Holds a whole number of blocks of both lengths. */
const RANGE = 9 * 1024 * 1024;
const READ_LENGTH = 1024 * 1024;
/** Blocks that meet each other in the middle, not only as a whole. */
const BLOCKS = ["16KiB", "12KiB"] as const;
const AGREE_TIMEOUT_MS = 60_000;
const GENERATOR = "native/build/load/aurochs-load";

await run("cmake", ["-S", "bench/load", "-B", "native/build/load", "-G", "Ninja"]);
await run("cmake", ["--build", "native/build/load", "--target", "aurochs-load"]);

/** Writers at depth 32 on the same small range, each with other bytes. */
function startWriters(url: string, seconds: number): Daemon[] {
  return BLOCKS.map((block, index) =>
    startDaemon(GENERATOR, [
      ...["--target", url, "--pattern", "randwrite", "--block", block, "--depth", "32"],
      ...[
        "--range",
        String(RANGE),
        "--seed",
        String(index + 1),
        "--warmup",
        "0",
        "--seconds",
        String(seconds),
      ],
    ]),
  );
}

/** Kills everything while the writers are at work. */
async function crashUnder(writers: Daemon[], volume: RunningVolume): Promise<void> {
  for (const writer of writers)
    if (!isAlive(writer.pid)) throw new Error(`a writer has ended: ${writer.output()}`);
  await volume.kill();
  for (const { child, ended } of writers) {
    child.kill("SIGKILL");
    await ended;
  }
}

async function readAll(io: IscsiIo): Promise<string[]> {
  const hashes: string[] = [];
  for (let offset = 0; offset < RANGE; offset += READ_LENGTH)
    hashes.push(...(await io.hashes(offset, READ_LENGTH)));
  return hashes;
}

async function allAgree(volume: RunningVolume): Promise<void> {
  await waitFor("all replicas to be read from again", AGREE_TIMEOUT_MS, () =>
    volume.info().replicas.every(({ mode }) => mode === "RW") ? true : undefined,
  );
}

/** @throws where the files of stopped replicas first differ */
async function compareFiles(dirs: string[]): Promise<void> {
  const [first = "", ...others] = dirs.map((dir) => join(dir, "volume-head-000.img"));
  for (const other of others) await run("cmp", [first, other]);
}

t.test("two overlapping writers at depth 32: the replicas' files are equal, byte by byte", async (t) => {
  let dirs: string[] = [];
  await withVolume({ size: SIZE, stateDir: t.testdir() }, async (volume) => {
    for (const writer of startWriters(volume.url, SECONDS)) t.equal(await writer.ended, 0, writer.output());
    dirs = volume.info().replicas.map(({ dir }) => dir);
  });
  await compareFiles(dirs);
});

t.test(
  "everything is killed in the middle of overlapping writes: two reads of a block always agree",
  async (t) => {
    const stateDir = t.testdir();
    let volume = await startVolume({ size: SIZE, stateDir });
    for (let crash = 0; crash < CRASHES; crash++) {
      const writers = startWriters(volume.url, 600);
      await sleep(1000 + 300 * crash);
      await volume.kill();
      for (const writer of writers) {
        writer.child.kill("SIGKILL");
        await writer.ended;
      }

      volume = await startVolume({ size: SIZE, stateDir });
      const io = await IscsiIo.connect(volume.url);
      const first = await readAll(io);
      // While copies are made equal, and by all of them afterwards: reads go to any copy that is RW.
      for (let pass = 0; pass < 4; pass++) {
        if (pass === 2) await allAgree(volume);
        t.same(await readAll(io), first, `crash ${crash}, pass ${pass}`);
      }
      await io.logout();
    }
    const dirs = volume.info().replicas.map(({ dir }) => dir);
    await volume.stop();
    await compareFiles(dirs);
  },
);

t.test("writes go on while copies are made equal after a crash: they end up equal", async (t) => {
  const stateDir = t.testdir();
  let volume = await startVolume({ size: SIZE, stateDir });
  const before = startWriters(volume.url, 600);
  await sleep(1500);
  await crashUnder(before, volume);
  volume = await startVolume({ size: SIZE, stateDir });
  for (const writer of startWriters(volume.url, 2)) t.equal(await writer.ended, 0, writer.output());
  await allAgree(volume);
  const dirs = volume.info().replicas.map(({ dir }) => dir);
  await volume.stop();
  await compareFiles(dirs);
});
