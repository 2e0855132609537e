/** A replica is away while the volume is written to; how soon is it back, and with how much moved? */
import { load, prefill } from "../load.js";
import { PATTERNS } from "../patterns.js";
import type { Context, Figure, Scenario } from "./scenario.js";
import { BenchVolume } from "./volume.js";

const GRAIN_BYTES = 64 << 10;
const MIB = 2 ** 20;
const GIB = 2 ** 30;

export const resync: Scenario = {
  name: "resync",
  about: "10 GiB with 4 GiB of data, a replica is killed and is away for 60 s of random writes at 1 MB/s",
  run,
};

async function run({ directory, quick, progress, signal }: Context): Promise<Figure[]> {
  const [size, data, seconds] = quick ? [256 * MIB, 64 * MIB, 2] : [10 * GIB, 4 * GIB, 60];
  const write = PATTERNS.find(
    ({ kind, depth, block }) => kind === "randwrite" && depth === 1 && block === 4096,
  );
  if (write === undefined) throw new Error("there is no pattern of random writes at depth 1");
  const volume = new BenchVolume(directory, size, signal);
  try {
    await volume.addReplica();
    const away = await volume.addReplica();
    await volume.startEngine();
    progress(`writing ${data / MIB} MiB`);
    await prefill(volume.access, data, signal);
    await away.service.stop("SIGKILL");
    await volume.mode(away, "ERR");
    progress(`a replica is away for ${seconds} s`);
    const request = { pattern: write, range: data, seconds, warmup: 0, seed: 1, processes: [] };
    const written = await load(volume.access, { ...request, rate: 1e6 / write.block }, signal);
    volume.restart(away);
    const begin = performance.now();
    await volume.mode(away, "WO", "RW");
    const found = (performance.now() - begin) / 1000;
    const status = await volume.mode(away, "RW");
    const back = (performance.now() - begin) / 1000;
    progress(status.resync);
    const changed = expectedGrains(written.operations, data / GRAIN_BYTES) * GRAIN_BYTES;
    return [
      { what: "written while it was away", value: written.bytes / MIB, unit: "MiB" },
      { what: "in regions of 64 KiB, about", value: changed / MIB, unit: "MiB" },
      { what: "moved", value: status.movedBytes / MIB, unit: "MiB" },
      { what: "from the start of its process until the resync begins", value: found, unit: "s" },
      { what: "from the start of its process to RW", value: back, unit: "s" },
    ];
  } finally {
    await volume.stop();
  }
}

/** How many of `grains` are hit by `writes` at random places, on average. */
function expectedGrains(writes: number, grains: number): number {
  return grains * (1 - (1 - 1 / grains) ** writes);
}
