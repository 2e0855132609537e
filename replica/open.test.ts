/** The first opening of a directory that Longhorn left, ended at every one of its steps. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import pino from "pino";
import t from "tap";
import type { ReplicaStore } from "../native/index.js";
import { openReplica, type HostedReplicaOptions } from "./open.js";
import { FailingFiles, Killed } from "./ops/failing-files.js";
import { BLOCK, sampleDirectory } from "./ops/sample-directory.js";
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

t.test("a write that a power cut interrupted shows what lies below, zeros that are meant stay", async (t) => {
  const path = join(scratch(t), "replica");
  const bootIdFile = join(scratch(t), "boot-id");
  /** Whoever opens it is killed in the end. @returns what block 1 begins with, and how much the log says that was dropped */
  const open = async (boot: string, use?: (store: ReplicaStore) => Promise<void>) => {
    writeFileSync(bootIdFile, boot);
    let said = "";
    const { store, lock } = await openReplica(
      {
        ...{ directory: path, volume: "vol", replicaId: "r1", size: null },
        ...{ cache: "writeback", backingFile: null, bootIdFile },
      },
      pino({ level: "warn" }, { write: (line) => (said += line) }),
      (error) => t.fail(error.message),
      false,
    );
    await use?.(store);
    const [first] = await store.read(BLOCK, BLOCK);
    await store.close();
    lock.release();
    return { first, dropped: /"interruptedBytes":(\d+)/.exec(said)?.[1] ?? "0" };
  };
  const interrupt = () =>
    execFileSync("fallocate", ["--keep-size", "--offset", `${BLOCK}`, "--length", `${BLOCK}`, join(path, HEAD)]); // prettier-ignore
  const dirty = (store: ReplicaStore) => store.write(2 * BLOCK, Buffer.alloc(BLOCK, 9));

  sample(path);
  t.match(await open("boot-1", dirty), { first: 1, dropped: "0" });
  t.ok(existsSync(join(path, "aurochs.zeros")));
  interrupt();
  t.match(await open("boot-1"), { first: 0, dropped: "0" }, "the page cache may have had it");
  t.match(await open("boot-2"), { first: 1, dropped: `${BLOCK}` });
  t.match(await open("boot-2", (store) => store.unmap(BLOCK, BLOCK)), { first: 0, dropped: "0" });
  t.match(await open("boot-3"), { first: 0, dropped: "0" });

  sample(path);
  t.match(await open("boot-1", dirty), { first: 1, dropped: "0" });
  rmSync(join(path, "aurochs.zeros"));
  interrupt();
  for (const boot of ["boot-2", "boot-3"]) t.match(await open(boot), { first: 0, dropped: "0" }, "no map");
});
