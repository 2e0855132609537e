/** A replica of 1 TiB in ten million extents is opened: how long does it take, and how much memory? */
import { mkdir, open as openFile, rm, writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { punchHole } from "../../native/index.js";
import { ReplicaControl } from "../../proto/control.js";
import { unaryClient } from "../../proto/unary.js";
import { run as runProgram } from "../child.js";
import { PROGRAM_MS_MAX } from "../limits.js";
import { privateBytes } from "../memory.js";
import { waitFor } from "../setups/wait.js";
import type { Context, Figure, Scenario } from "./scenario.js";
import { BenchVolume, type Replica } from "./volume.js";

const BLOCK = 4096;
const MIB = 2 ** 20;
const GIB = 2 ** 30;

/** Holes that are asked for at a time. */
const BATCH = 1000;

export const open: Scenario = {
  name: "open",
  about: "a replica of 1 TiB in 10 million extents is opened (as root: its file system is on a sparse image)",
  run,
};

async function run({ directory, quick, progress, signal }: Context): Promise<Figure[]> {
  const [size, extents] = quick ? [GIB, 10_000] : [1024 * GIB, 10_000_000];
  const place = `${directory}/mounted`;
  const unmount = await mountImage(`${directory}/image`, place, 1.1 * size + GIB, signal);
  const volume = new BenchVolume(`${place}/volume`, size, signal);
  try {
    const replica = await volume.addReplica();
    const empty = await opened(replica, signal);
    await replica.service.stop();
    progress(`making ${extents} extents`);
    await fragment(`${replica.directory}/volume-head-000.img`, size, extents, signal);
    await writeFile("/proc/sys/vm/drop_caches", "2");
    volume.restart(replica);
    const cold = await opened(replica, signal);
    await replica.service.stop();
    volume.restart(replica);
    const warm = await opened(replica, signal);
    return [
      { what: "until it answers, with nothing of the file in memory", value: cold.seconds, unit: "s" },
      { what: "until it answers, again", value: warm.seconds, unit: "s" },
      { what: "until it answers, without any extent", value: empty.seconds, unit: "s" },
      { what: "private memory more than without any", value: (warm.bytes - empty.bytes) / MIB, unit: "MiB" },
    ];
  } finally {
    await volume.stop();
    await unmount();
  }
}

/** Since its process was started. */
async function opened(replica: Replica, signal: AbortSignal): Promise<{ seconds: number; bytes: number }> {
  const begin = performance.now();
  const { calls, close } = unaryClient(ReplicaControl, replica.address);
  await waitFor("the replica", signal, async () => {
    replica.service.assertRunning();
    return calls.identify({}, { timeoutMs: 1000 }).catch(() => undefined);
  });
  const seconds = (performance.now() - begin) / 1000;
  close();
  // What opening needed for a moment goes back.
  await sleep(1000);
  return { seconds, bytes: await privateBytes(replica.service.pid) };
}

/** All of it is allocated, but for as many blocks of hole as make that many extents. Nothing is written. */
async function fragment(path: string, size: number, extents: number, signal: AbortSignal): Promise<void> {
  await runProgram("fallocate", ["--length", String(size), path], { timeoutMs: PROGRAM_MS_MAX, signal });
  const file = await openFile(path, "r+");
  const stride = Math.floor(size / extents / BLOCK) * BLOCK;
  for (let first = 0; first < extents; first += BATCH) {
    signal.throwIfAborted();
    const holes = Array.from({ length: Math.min(BATCH, extents - first) }, (_, i) => (first + i) * stride);
    await Promise.all(holes.map((offset) => punchHole(file.fd, offset, BLOCK)));
  }
  await file.sync();
  await file.close();
}

/** A file system on a sparse file of `bytes`. @returns what ends it and removes the file */
async function mountImage(
  image: string,
  place: string,
  bytes: number,
  signal: AbortSignal,
): Promise<() => Promise<void>> {
  const program = (command: string, ...args: string[]) =>
    runProgram(command, args, { timeoutMs: PROGRAM_MS_MAX, signal: new AbortController().signal });
  signal.throwIfAborted();
  await mkdir(place, { recursive: true });
  await program("truncate", "--size", String(Math.ceil(bytes / MIB) * MIB), image);
  await program("mkfs.ext4", "-q", "-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard", image);
  await program("mount", "-o", "loop", image, place);
  return async () => {
    await program("umount", place);
    await rm(image);
  };
}
