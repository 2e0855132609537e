/** The first opening of a directory that Longhorn left, ended at every one of its steps. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import pino from "pino";
import t from "tap";
import { openReplica, type HostedReplicaOptions } from "./open.js";
import { FailingFiles, Killed } from "./ops/failing-files.js";
import { sampleDirectory } from "./ops/sample-directory.js";
import { scratch } from "./scratch.js";

const HEAD = "volume-head-001.img";
const SNAPSHOT = "volume-snap-a.img";
const log = pino({ level: "silent" });

function sample(path: string): void {
  rmSync(path, { recursive: true, force: true });
  sampleDirectory(path, HEAD, {
    [SNAPSHOT]: { parent: "", blocks: [1] },
    [HEAD]: { parent: SNAPSHOT, blocks: [2] },
  });
}

t.test("ended at any step of its first opening, a directory of Longhorn's opens afterwards", async (t) => {
  const path = join(scratch(t), "replica");
  const options: HostedReplicaOptions = {
    ...{ directory: path, volume: "vol", replicaId: "r1" },
    ...{ size: null, cache: "writeback", backingFile: null, bootIdFile: null },
  };
  /** @returns whether it got to its end */
  const open = async (files?: FailingFiles) => {
    try {
      const { store, lock, record } = await openReplica(
        options,
        log,
        (error) => t.fail(error.message),
        false,
        files,
      );
      t.equal(record.replicaId, "r1");
      await store.close();
      lock.release();
      return true;
    } catch (error) {
      for (let reason = error; reason instanceof Error; reason = reason.cause)
        if (reason instanceof Killed) return false;
      throw error;
    }
  };
  sample(path);
  const whole = new FailingFiles(Infinity, "kill");
  t.ok(await open(whole));
  t.ok(whole.changes.length > 4, `${whole.changes.length} steps`);
  for (const step of whole.changes) {
    sample(path);
    t.notOk(await open(new FailingFiles(step, "kill")), `step ${step}`);
    t.ok(await open(), `after step ${step}`);
  }
});

t.test("where the backing file is now is stored, for whoever opens it next and does not say", async (t) => {
  const path = join(scratch(t), "replica");
  const [old, moved] = [join(scratch(t), "image"), join(scratch(t), "image")];
  for (const image of [old, moved]) writeFileSync(image, Buffer.alloc(4096, 7));
  const open = async (backingFile: string | null, size: number | null = null) => {
    const { store, lock } = await openReplica(
      {
        directory: path,
        volume: "vol",
        replicaId: "r1",
        size,
        cache: "writeback",
        backingFile,
        bootIdFile: null,
      },
      log,
      (error) => t.fail(error.message),
      false,
    );
    await store.close();
    lock.release();
    const meta = JSON.parse(readFileSync(join(path, "volume.meta"), "utf8")) as { BackingFilePath: string };
    return meta.BackingFilePath;
  };
  t.equal(await open(old, 1 << 20), old);
  t.equal(await open(moved), moved);
  rmSync(old);
  t.equal(await open(null), moved);
});
