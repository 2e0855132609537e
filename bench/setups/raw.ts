/** A plain file without any target, driven by fio: what the disk and the page cache could give. */
import { mkdir, open, rm } from "node:fs/promises";
import { run } from "../child.js";
import { RUN_EXTRA_MS_MAX } from "../limits.js";
import type { LoadRequest } from "../load.js";
import { writes, type PatternKind } from "../patterns.js";
import type { Sample, Setup, SetupKind } from "../setup.js";

const FIO_PATTERNS: Record<PatternKind, readonly string[]> = {
  randwrite: ["--rw=randwrite"],
  randread: ["--rw=randread"],
  seqwrite: ["--rw=write"],
  seqread: ["--rw=read"],
  mixed: ["--rw=randrw", "--rwmixread=70"],
  writeflush: ["--rw=randwrite", "--fdatasync=1"],
};

interface FioDirection {
  iops: number;
  /** Bytes per second. */
  bw_bytes: number;
  total_ios: number;
  lat_ns: { mean: number; max: number; percentile?: Record<string, number> };
}

interface FioJob {
  read: FioDirection;
  write: FioDirection;
  /** Percent of one processor. */
  usr_cpu: number;
  sys_cpu: number;
  /** Milliseconds. */
  job_runtime: number;
}

/** Reads and writes together; quantiles are those of the direction that is worse. */
export function sampleOfFio(job: FioJob): Sample {
  const directions = [job.read, job.write].filter((direction) => direction.total_ios > 0);
  const operations = job.read.total_ios + job.write.total_ios;
  if (operations === 0) throw new Error("fio did nothing");
  const percentile = (key: string): number =>
    Math.max(...directions.map((direction) => (direction.lat_ns.percentile?.[key] ?? 0) / 1000));
  const cpuUs = (((job.usr_cpu + job.sys_cpu) / 100) * job.job_runtime * 1000) / operations;
  return {
    iops: job.read.iops + job.write.iops,
    megabytesPerSecond: (job.read.bw_bytes + job.write.bw_bytes) / 1e6,
    latencyUs: {
      mean:
        directions.reduce((sum, { lat_ns, total_ios }) => sum + (lat_ns.mean / 1000) * total_ios, 0) /
        operations,
      p50: percentile("50.000000"),
      p99: percentile("99.000000"),
      p999: percentile("99.900000"),
      max: Math.max(...directions.map(({ lat_ns }) => lat_ns.max / 1000)),
    },
    cpuUs: {},
    generatorCpuUs: cpuUs,
    otherCores: undefined,
  };
}

async function fio(
  file: string,
  direct: boolean,
  { pattern, range, seconds, warmup, seed }: Omit<LoadRequest, "processes">,
  signal: AbortSignal,
): Promise<Sample> {
  const args = [
    ...["--name=raw", `--filename=${file}`, `--size=${range}`, `--bs=${pattern.block}`],
    // Without O_DIRECT submission itself waits; page cache hits are what is measured then, as with the targets.
    ...["--ioengine=libaio", `--direct=${direct ? 1 : 0}`, `--iodepth=${pattern.depth}`],
    ...[
      "--time_based=1",
      `--runtime=${Math.round(seconds * 1000)}ms`,
      `--ramp_time=${Math.round(warmup * 1000)}ms`,
    ],
    ...[
      "--norandommap=1",
      `--randseed=${seed}`,
      "--refill_buffers=0",
      "--invalidate=0",
      "--output-format=json",
    ],
    ...["--lat_percentiles=1", "--percentile_list=50:99:99.9", ...FIO_PATTERNS[pattern.kind]],
  ];
  const timeoutMs = RUN_EXTRA_MS_MAX + (seconds + warmup) * 1000;
  const { stdout } = await run("fio", args, { timeoutMs, signal });
  const report = JSON.parse(stdout.slice(stdout.indexOf("{"))) as { jobs: FioJob[] };
  const job = report.jobs[0];
  if (job === undefined) throw new Error("fio reported no job");
  if (writes(pattern.kind)) await sync(file);
  return sampleOfFio(job);
}

/** So that the next run does not pay for this one's dirty pages. */
async function sync(file: string): Promise<void> {
  const handle = await open(file, "r+");
  await handle.sync();
  await handle.close();
}

function rawFile(name: string, direct: boolean): SetupKind {
  return {
    name,
    label: `plain file, ${direct ? "O_DIRECT" : "page cache"} (fio)`,
    spacePerByte: 1,
    canBeFresh: true,
    needs: [{ program: "fio", package: "fio" }],
    async start({ directory, size }): Promise<Setup> {
      await mkdir(directory, { recursive: true });
      const file = `${directory}/disk.img`;
      const handle = await open(file, "w");
      await handle.truncate(size);
      await handle.close();
      return {
        access: { file, buffered: !direct },
        processes: [],
        measure: (request, signal) => fio(file, direct, request, signal),
        stop: () => rm(directory, { recursive: true, force: true }),
      };
    },
  };
}

export const raw = rawFile("raw", false);
export const rawDirect = rawFile("raw-direct", true);
