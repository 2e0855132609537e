/** What the measurements say: medians, spreads and ratios, for all outputs. */
import { availableParallelism, cpus, release, totalmem } from "node:os";
import type { Options } from "../options.js";
import { CPU_CHECKED_PATTERN } from "../patterns.js";
import type { Measurements, Memory } from "../rounds.js";
import { summarize, summarizeRatios, type Summary } from "../statistics.js";
import type { Sample } from "../setup.js";

export interface Cell {
  target: string;
  iops: Summary;
  megabytesPerSecond: Summary;
  meanUs: Summary;
  p50Us: Summary;
  p99Us: Summary;
  p999Us: Summary;
  /** Median microseconds per operation by process. */
  cpuUs: Record<string, number>;
  /** All processes of the set-up together; none when they are not ours to see. */
  cpuUsTotal: Summary | undefined;
  otherCores: Summary | undefined;
  /** IOPS over the peer's, round by round; none for the peer itself. */
  ratio: Summary | undefined;
}

export interface Row {
  pattern: string;
  label: string;
  floor: number | undefined;
  cells: Cell[];
}

export interface Report {
  machine: { processors: number; model: string; memoryBytes: number; kernel: string; node: string };
  run: { sizeBytes: number; rounds: number; seconds: number; warmup: number; fresh: boolean };
  targets: { name: string; label: string; memory: { idle: Memory; loaded: Memory } | undefined }[];
  peer: string | undefined;
  rows: Row[];
  /** Each round's figures as measured. */
  samples: Measurements["samples"];
}

const totalCpuUs = (sample: Sample): number =>
  Object.values(sample.cpuUs).reduce((sum, each) => sum + each, 0);

function cellOf(target: string, samples: readonly Sample[], peer: readonly Sample[] | undefined): Cell {
  const over = (figure: (sample: Sample) => number): Summary => summarize(samples.map(figure));
  const otherCores = samples.flatMap((sample) => sample.otherCores ?? []);
  const processes = Object.keys(samples[0]?.cpuUs ?? {});
  return {
    target,
    iops: over(({ iops }) => iops),
    megabytesPerSecond: over(({ megabytesPerSecond }) => megabytesPerSecond),
    meanUs: over(({ latencyUs }) => latencyUs.mean),
    p50Us: over(({ latencyUs }) => latencyUs.p50),
    p99Us: over(({ latencyUs }) => latencyUs.p99),
    p999Us: over(({ latencyUs }) => latencyUs.p999),
    cpuUs: Object.fromEntries(processes.map((name) => [name, over(({ cpuUs }) => cpuUs[name] ?? 0).median])),
    cpuUsTotal: processes.length === 0 ? undefined : over(totalCpuUs),
    otherCores: otherCores.length === 0 ? undefined : summarize(otherCores),
    ratio:
      peer === undefined
        ? undefined
        : summarizeRatios(
            samples.map(({ iops }) => iops),
            peer.map(({ iops }) => iops),
          ),
  };
}

export function buildReport(options: Options, { samples, memory }: Measurements): Report {
  const { targets, peer, patterns, size, rounds, seconds, warmup, fresh } = options;
  // Floors are for ours against tgtd.
  const hasFloors = peer === "tgtd" && targets.some(({ name }) => name === "ours");
  const samplesOf = (target: string, pattern: string): Sample[] => samples[target]?.[pattern] ?? [];
  return {
    machine: {
      processors: availableParallelism(),
      model: cpus()[0]?.model ?? "",
      memoryBytes: totalmem(),
      kernel: release(),
      node: process.version,
    },
    run: { sizeBytes: size, rounds, seconds, warmup, fresh },
    targets: targets.map(({ name, label }) => ({ name, label, memory: memory[name] })),
    peer,
    rows: patterns.map(({ name, label, floor }) => ({
      pattern: name,
      label,
      floor: hasFloors ? floor : undefined,
      cells: targets.map((target) =>
        cellOf(
          target.name,
          samplesOf(target.name, name),
          peer === undefined || target.name === peer ? undefined : samplesOf(peer, name),
        ),
      ),
    })),
    samples,
  };
}

/** @returns a sentence for each floor that 'ours' misses against 'tgtd' */
export function missedFloors({ rows }: Report): string[] {
  const missed: string[] = [];
  for (const { pattern, floor, cells } of rows) {
    const ours = cells.find(({ target }) => target === "ours");
    const tgtd = cells.find(({ target }) => target === "tgtd");
    if (ours === undefined || tgtd === undefined) continue;
    const ratio = ours.ratio?.median ?? 0;
    if (floor !== undefined && ratio < floor) {
      missed.push(`${pattern}: ${ratio.toFixed(2)} times tgtd, at least ${floor} is asked`);
    }
    const [oursUs, tgtdUs] = [ours.cpuUsTotal?.median ?? 0, tgtd.cpuUsTotal?.median ?? 0];
    if (pattern === CPU_CHECKED_PATTERN && oursUs > tgtdUs) {
      missed.push(
        `${pattern}: ${oursUs.toFixed(1)} us of CPU per operation, tgtd takes ${tgtdUs.toFixed(1)}`,
      );
    }
  }
  return missed;
}
