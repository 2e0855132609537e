/** Where a disk is. It may hang: calls there come back late, or never, and each keeps a thread until then. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Serial } from "../../replica/serial.js";
import { DISK_CONFIG } from "./disk-config.js";
import { DISK_JOBS_MAX, DISK_TIMEOUT_MS } from "./limits.js";

/** One look and one job are under way at a time, and nothing else is begun while a look is late. */
export class DiskPath {
  readonly #looks = new Serial();
  readonly #jobs = new Serial(DISK_JOBS_MAX);
  #isLate = false;

  /** @param onBack a look that was late has come back */
  constructor(
    private readonly path: string,
    private readonly onBack: () => void,
  ) {}

  /** @returns null: the disk does not answer in time */
  async look<T extends object>(
    look: () => Promise<T>,
    timeoutMs: number = DISK_TIMEOUT_MS,
  ): Promise<T | null> {
    if (this.#isLate) return null;
    const looking = this.#looks.run(async () => {
      await readFromDevice(join(this.path, DISK_CONFIG));
      return look();
    });
    const inTime = new AbortController();
    const late = sleep(timeoutMs, null, { signal: inTime.signal, ref: false });
    const found = await Promise.race([looking, late]);
    inTime.abort();
    late.catch(() => undefined);
    if (found === null) this.#late(looking);
    return found;
  }

  #late(looking: Promise<unknown>): void {
    if (this.#isLate) return;
    this.#isLate = true;
    const back = () => {
      this.#isLate = false;
      this.onBack();
    };
    looking.then(back, back);
  }

  /** To be begun after a look alone. @throws what `job` throws, and {ReplicaError} when too many wait */
  run<T>(job: () => Promise<T>): Promise<T> {
    return this.#jobs.run(job);
  }
}

/** What is cached could be read from a disk that hangs. Resolves whatever comes of it: a file system that cannot do that says so at once. */
function readFromDevice(file: string): Promise<void> {
  const args = [`if=${file}`, "of=/dev/null", "iflag=direct", "bs=4096", "count=1"];
  return new Promise((resolve) => execFile("dd", args, () => resolve()));
}
