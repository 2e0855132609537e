/** A replica has missed everything, and all is copied while the volume is used: how much longer do its users' operations take meanwhile? */
import { prefill } from "../load.js";
import { median } from "../statistics.js";
import type { Context, Figure, Scenario } from "./scenario.js";
import { rangeOf, Users } from "./users.js";
import { BenchVolume } from "./volume.js";

const MIB = 2 ** 20;
const GIB = 2 ** 30;

export const foreground: Scenario = {
  name: "foreground",
  about: "70/30 random reads and writes at depth 4, 2,000 a second, while all data are copied to a replica",
  run,
};

async function run({ directory, quick, progress, signal }: Context): Promise<Figure[]> {
  const [size, windows, seconds] = quick ? [256 * MIB, 2, 1] : [GIB, 5, 3];
  const volume = new BenchVolume(directory, size, signal);
  const users = new Users(() => volume.access, size, seconds, signal);
  const window = () => users.window();
  const alone = async (into: number[]): Promise<void> => {
    progress("the load alone");
    for (let i = 0; i < windows; i++) into.push(await window());
  };
  try {
    await volume.addReplica();
    const copied = await volume.addReplica();
    await volume.startEngine();
    progress(`writing ${size / MIB} MiB`);
    await prefill(volume.access, size, signal);
    const [idle, during]: [number[], number[]] = [[], []];
    await alone(idle);
    await copied.service.stop("SIGKILL");
    await volume.mode(copied, "ERR");
    progress("writing it anew");
    await prefill(volume.access, size, signal);
    volume.restart(copied);
    await volume.mode(copied, "WO", "RW");
    progress("the load while all is copied");
    const begin = performance.now();
    let bytes = 0;
    for (;;) {
      const p99 = await window();
      const { mode, movedBytes } = await volume.mode(copied, "WO", "RW");
      if (mode === "RW") break;
      bytes = movedBytes;
      during.push(p99);
      if (during.length === 4 * windows) break;
    }
    const copySeconds = (performance.now() - begin) / 1000;
    if (during.length === 0) throw new Error("all was copied before anything was measured");
    await volume.mode(copied, "RW");
    await alone(idle);
    return [
      { what: "99 % of operations, the load alone before and after", value: median(idle), unit: "ms", range: rangeOf(idle) },
      { what: "99 % of operations while all is copied", value: median(during), unit: "ms", range: rangeOf(during) },
      { what: "times", value: median(during) / median(idle), unit: "" },
      { what: "copied meanwhile, at least", value: bytes / MIB / copySeconds, unit: "MiB/s" },
    ]; // prettier-ignore
  } finally {
    await volume.stop();
  }
}
