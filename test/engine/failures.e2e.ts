/** Replicas and engines that die, hang and come back under a writer. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { IscsiIo } from "../tools/iscsi-io.js";
import { isAlive, waitFor } from "../tools/process.js";
import { startVolume, withVolume, type RunningVolume } from "../tools/volume.js";
import { Writer } from "./writer.js";

const SIZE = "64MiB";
const BLOCKS = 512;
const CONTENDED_BLOCKS = 16;
const WAIT_MS = 30_000;

function modes(volume: RunningVolume): string {
  return volume
    .info()
    .replicas.map(({ mode }) => mode)
    .join(" ");
}

function running(pid: number | null | undefined): number {
  if (pid == null) throw new Error("it is not running");
  return pid;
}

function pidOf(volume: RunningVolume, replica: number): number {
  return running(volume.info().replicas[replica]?.pid);
}

/** @param t the test whose end is the connection's */
async function connect(t: Test, volume: RunningVolume): Promise<IscsiIo> {
  const io = await IscsiIo.connect(volume.url);
  t.teardown(() => io.kill());
  return io;
}

async function writing(
  t: Test,
  volume: RunningVolume,
  body: (writer: Writer) => Promise<void>,
): Promise<Writer> {
  const writer = new Writer(await connect(t, volume), BLOCKS);
  writer.start();
  await writer.progress(50);
  await body(writer);
  return writer;
}

t.test("a replica that is killed comes back without an error and without being left behind", async (t) => {
  await withVolume({ size: SIZE }, async (volume) => {
    const killed = pidOf(volume, 0);
    const writer = await writing(t, volume, async (writer) => {
      process.kill(killed, "SIGKILL");
      await waitFor("another process", WAIT_MS, () => {
        const pid = volume.info().replicas[0]?.pid;
        return pid != null && pid !== killed ? true : undefined;
      });
      await writer.progress(100);
    });
    t.equal(await writer.stop(), null);
    t.strictSame(await writer.mistakes(), []);
    await waitFor("both copies to serve", WAIT_MS, () => (modes(volume) === "RW RW" ? true : undefined));
  });
});

t.test(
  "a replica that hangs is dropped at no cost; a stale copy is not read, and comes back after a restart",
  async (t) => {
    await withVolume({ size: SIZE, args: ["--replica-timeout", "1"] }, async (volume) => {
      const stopped = pidOf(volume, 1);
      const writer = await writing(t, volume, async (writer) => {
        process.kill(stopped, "SIGSTOP");
        await writer.progress(100);
      });
      t.equal(await writer.stop(), null);
      await waitFor("the replica to be given up", WAIT_MS, () =>
        modes(volume) === "RW ERR" ? true : undefined,
      );
      t.strictSame(await writer.mistakes(), []);

      const engine = running(volume.info().engine.pid);
      process.kill(engine, "SIGKILL");
      await waitFor("another engine", WAIT_MS, () => {
        const { pid } = volume.info().engine;
        return pid !== null && pid !== engine && modes(volume) === "RW ERR" ? true : undefined;
      });
      process.kill(stopped, "SIGCONT");
      writer.use(await connect(t, volume));
      t.strictSame(await writer.mistakes(), [], "the stale copy is not read");
      await waitFor("both copies to serve", WAIT_MS, () => (modes(volume) === "RW RW" ? true : undefined));
      t.strictSame(await writer.mistakes(), [], "and is not stale once it is");
    });
  },
);

t.test("with all replicas hanging, writes wait and go on without an error", async (t) => {
  await withVolume({ size: SIZE, args: ["--replica-timeout", "1"] }, async (volume) => {
    const writer = await writing(t, volume, async (writer) => {
      const pids = [pidOf(volume, 0), pidOf(volume, 1)];
      for (const pid of pids) process.kill(pid, "SIGSTOP");
      await new Promise((wake) => setTimeout(wake, 3_000)); // longer than the replica timeout
      for (const pid of pids) process.kill(pid, "SIGCONT");
      await writer.progress(100);
    });
    t.equal(await writer.stop(), null);
    t.strictSame(await writer.mistakes(), []);
    t.match(modes(volume), /RW/);
  });
});

t.test("an engine that is killed comes back on its portal, and nothing acknowledged is lost", async (t) => {
  await withVolume({ size: SIZE }, async (volume) => {
    const killed = running(volume.info().engine.pid);
    const writer = await writing(t, volume, async () => {
      process.kill(killed, "SIGKILL");
      await waitFor("another engine", WAIT_MS, () => {
        const { pid } = volume.info().engine;
        return pid !== null && pid !== killed && modes(volume).includes("RW") ? true : undefined;
      });
    });
    await writer.stop();
    writer.use(await connect(t, volume));
    t.strictSame(await writer.mistakes(), []);
    await waitFor("the copies to be equal", WAIT_MS, () => (modes(volume) === "RW RW" ? true : undefined));
    t.strictSame(await writer.mistakes(), []);
  });
});

t.test(
  "after everything was killed in the middle of writes, two reads of a block always agree",
  async (t) => {
    const stateDir = mkdtempSync(join(tmpdir(), "aurochs-test-"));
    t.teardown(() => rmSync(stateDir, { recursive: true, force: true }));
    const first = await startVolume({ size: SIZE, stateDir });
    const writers = await Promise.all([1, 2, 3, 4].map(() => connect(t, first)));
    let version = 0;
    const ends = writers.map(async (io) => {
      try {
        // The same few blocks by all of them, so that writes of the same range are under way together.
        for (;;) await io.write((version % CONTENDED_BLOCKS) * 4096, 4096, ++version);
      } catch {
        // The volume was killed.
      }
    });
    await waitFor("writes", WAIT_MS, () => (version > 500 ? true : undefined));
    await first.kill();
    for (const io of writers) io.kill();
    await Promise.all(ends);

    const second = await startVolume({ size: SIZE, stateDir });
    const readers = await Promise.all([1, 2].map(() => connect(t, second)));
    const read = async () =>
      JSON.stringify(await Promise.all(readers.map((io) => io.read(0, CONTENDED_BLOCKS * 4096))));
    const before = await read();
    t.notMatch(before, "torn");
    for (let round = 0; round < 20; round++) t.equal(await read(), before);
    await waitFor("the copies to be equal", WAIT_MS, () => (modes(second) === "RW RW" ? true : undefined));
    for (let round = 0; round < 20; round++)
      t.equal(await read(), before, "and do so once both copies are read");
    const [one, other] = JSON.parse(before) as unknown[];
    t.strictSame(one, other, "whoever reads");
    for (const io of readers) io.kill();
    await second.stop();
  },
);

t.test("nobody outlives an aurochs up that was killed", async (t) => {
  await withVolume({ size: SIZE }, async (volume) => {
    const { engine, replicas } = volume.info();
    const children = [engine.pid, ...replicas.map(({ pid }) => pid)];
    volume.up.child.kill("SIGKILL");
    await waitFor("the children to end", WAIT_MS, () =>
      children.some((pid) => isAlive(pid ?? 0)) ? undefined : true,
    );
    t.pass("all ended");
    throw new StoppedHere();
  }).catch((error: unknown) => {
    if (!(error instanceof StoppedHere)) throw error;
  });
});

/** The volume is gone on purpose: there is nothing left to be stopped in order. */
class StoppedHere extends Error {}
