/** The load generator (`bench/load/`): built when needed, run, its answer read. */
import { fileURLToPath } from "node:url";
import { run } from "./child.js";
import { BUILD_MS_MAX, PREFILL_BYTES_PER_MS_MIN, RUN_EXTRA_MS_MAX } from "./limits.js";
import type { Pattern } from "./patterns.js";

// This file runs compiled, two levels below the root: dist/bench/load.js.
const root = fileURLToPath(new URL("../../", import.meta.url));
const source = `${root}bench/load`;
const build = `${root}native/build/load`;
const generator = `${build}/aurochs-load`;

export interface NamedProcess {
  name: string;
  pid: number;
}

/** Microseconds. */
export interface Latency {
  mean: number;
  p50: number;
  p99: number;
  p999: number;
  max: number;
}

/** One line of `aurochs-load --json` (`bench/load/report.cc`). */
export interface LoadResult {
  seconds: number;
  operations: number;
  bytes: number;
  iops: number;
  megabytesPerSecond: number;
  latencyUs: Latency;
  errors: number;
  retries: number;
  verifiedBytes: number;
  generatorCpuUs: number;
  /** All processors, everything but idle. */
  machineCpuUs: number;
  /** `cpuUs` is null for a process that was not there at both ends. */
  processes: { name: string; pid: number; cpuUs: number | null }[];
}

/** What the generator drives. */
export type Access = { iscsi: string } | { file: string; buffered: boolean };

function accessArguments(access: Access): string[] {
  if ("iscsi" in access) return ["--target", access.iscsi];
  return ["--file", access.file, ...(access.buffered ? ["--buffered"] : [])];
}

/** Builds the generator unless it is up to date. */
export async function buildGenerator(signal: AbortSignal): Promise<void> {
  await run("cmake", ["-S", source, "-B", build, "-G", "Ninja"], { timeoutMs: BUILD_MS_MAX, signal });
  await run("cmake", ["--build", build], { timeoutMs: BUILD_MS_MAX, signal });
}

/** Writes the first `bytes` of it once, sequentially, and flushes. */
export async function prefill(access: Access, bytes: number, signal: AbortSignal): Promise<void> {
  const args = [
    "--pattern",
    "seqwrite",
    "--block",
    "1MiB",
    "--depth",
    "8",
    "--once",
    "--range",
    String(bytes),
  ];
  const timeoutMs = RUN_EXTRA_MS_MAX + bytes / PREFILL_BYTES_PER_MS_MIN;
  await run(generator, [...accessArguments(access), ...args], { timeoutMs, signal });
}

export interface LoadRequest {
  pattern: Pattern;
  /** Bytes, from the start. */
  range: number;
  seconds: number;
  warmup: number;
  seed: number;
  processes: readonly NamedProcess[];
  verify?: boolean;
  /** Operations per second at most. */
  rate?: number;
  /** a broken connection is made anew instead of failing */
  reconnect?: boolean;
}

/** @throws {Error} with the sense data or the difference found when anything went wrong */
export async function load(access: Access, request: LoadRequest, signal: AbortSignal): Promise<LoadResult> {
  const { pattern, range, seconds, warmup, seed, processes, rate } = request;
  const { verify = false, reconnect = false } = request;
  const args = [
    ...accessArguments(access),
    ...["--pattern", pattern.kind, "--block", String(pattern.block), "--depth", String(pattern.depth)],
    ...["--range", String(range), "--seconds", String(seconds), "--warmup", String(warmup)],
    ...["--seed", String(seed), "--json"],
    ...(verify ? ["--verify"] : []),
    ...(rate === undefined ? [] : ["--rate", String(rate)]),
    ...(reconnect ? ["--reconnect"] : []),
    ...processes.flatMap(({ name, pid }) => ["--process", `${name}=${pid}`]),
  ];
  const timeoutMs = RUN_EXTRA_MS_MAX + (seconds + warmup) * 1000;
  const { stdout } = await run(generator, args, { timeoutMs, signal });
  return JSON.parse(stdout) as LoadResult;
}
