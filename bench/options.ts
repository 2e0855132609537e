/** The command line of `bench/run`. */
import { parseArgs } from "node:util";
import { PATTERNS, writes, type Pattern } from "./patterns.js";
import type { SetupKind } from "./setup.js";
import { existingDevice, existingUrl } from "./setups/existing.js";
import { oursNone, oursWriteback } from "./setups/ours.js";
import { raw, rawDirect } from "./setups/raw.js";
import { tgtd } from "./setups/tgtd.js";

export interface Options {
  targets: readonly SetupKind[];
  /** Name of the target that ratios refer to; none when there is only one. */
  peer: string | undefined;
  patterns: readonly Pattern[];
  /** Bytes of each volume. */
  size: number;
  rounds: number;
  seconds: number;
  warmup: number;
  fresh: boolean;
  check: boolean;
  directory: string;
  json: string | undefined;
  svg: string | undefined;
  markdown: string | undefined;
}

/** A command line that makes no sense. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

const BUILT_IN = [oursWriteback, oursNone, tgtd, raw, rawDirect];

export const USAGE = `Usage: bench/run [options]

Compares set-ups that serve a disk, in interleaved rounds, and prints rates, latencies, CPU time and memory.

  --target SPEC     what to measure; may be repeated (default: ours, ours-none, tgtd)
                      ours         bin/aurochs up, 2 replicas on loopback, cache writeback
                      ours-none    the same with cache none
                      tgtd         Debian's tgt over one plain file
                      raw          a plain file through the page cache, by fio
                      raw-direct   a plain file with O_DIRECT, by fio
                      url:NAME=iscsi://HOST[:PORT]/IQN/LUN     a target that is there
                      device:NAME=/dev/...                     a block device that is there
  --overwrite       needed with url: and device:, whose data will be destroyed
  --peer NAME       what ratios refer to (default: tgtd if measured, else the last target)
  --pattern NAME    may be repeated (default: all; with --check those that have a floor):
${PATTERNS.map(({ name, label }) => `                      ${name.padEnd(20)} ${label}`).join("\n")}
  --size BYTES      of each volume (default 1GiB; MiB and GiB are understood)
  --rounds N        how often each is measured (default 5)
  --seconds S       measured time of one run (default 3)
  --warmup S        before it (default 1)
  --fresh           measure writes to volumes never written before, one for each run, instead of prefilled ones
  --quick           a smoke run: 64MiB, 1 round, 0.3 s, four patterns
  --check           exit with 1 unless 'ours' reaches the floors against 'tgtd'
  --directory DIR   where volumes are made and removed (default /var/tmp)
  --json FILE, --svg FILE, --markdown FILE   write the results there as well
  --help
`;

const QUICK_PATTERNS = ["randwrite-4k-d32", "randread-4k-d1", "seqread-1m-d8", "writeflush-4k-d1"];

const SIZE_UNITS = new Map([
  ["", 1],
  ["KiB", 2 ** 10],
  ["MiB", 2 ** 20],
  ["GiB", 2 ** 30],
]);

/** Whole MiB: prefill writes these. */
function parseSize(text: string): number {
  const match = /^(\d{1,15})([A-Za-z]*)$/.exec(text);
  const unit = SIZE_UNITS.get(match?.[2] ?? "");
  const bytes = match === null || unit === undefined ? NaN : Number(match[1]) * unit;
  if (!(bytes >= 2 ** 23 && bytes <= 2 ** 43 && bytes % 2 ** 20 === 0)) {
    throw new UsageError(`--size: '${text}' is not a number of whole MiB from 8MiB to 8192GiB`);
  }
  return bytes;
}

function parseNumber(name: string, text: string, min: number, max: number, whole: boolean): number {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
  if (!(value >= min && value <= max) || (whole && !Number.isInteger(value))) {
    throw new UsageError(
      `--${name}: '${text}' is not a ${whole ? "whole " : ""}number from ${min} to ${max}`,
    );
  }
  return value;
}

/** Names appear as `--process` and in file names. */
function parseTarget(spec: string, overwrite: boolean): SetupKind {
  const builtIn = BUILT_IN.find(({ name }) => name === spec);
  if (builtIn !== undefined) return builtIn;
  const match = /^(url|device):([A-Za-z0-9_-]+)=(.+)$/.exec(spec);
  const [kind, name, where] = match?.slice(1) ?? [];
  if (kind === undefined || name === undefined || where === undefined) {
    throw new UsageError(`--target: '${spec}' is not known`);
  }
  if (!where.startsWith(kind === "url" ? "iscsi://" : "/dev/")) {
    throw new UsageError(
      `--target: '${where}' is not ${kind === "url" ? "an iscsi:// URL" : "a path below /dev"}`,
    );
  }
  if (!overwrite)
    throw new UsageError(`--target ${spec}: its data will be destroyed; say --overwrite to agree`);
  return kind === "url" ? existingUrl(name, where) : existingDevice(name, where);
}

function parsePattern(name: string): Pattern {
  const pattern = PATTERNS.find((candidate) => candidate.name === name);
  if (pattern === undefined) throw new UsageError(`--pattern: '${name}' is not known`);
  return pattern;
}

function defaultPatterns(quick: boolean, check: boolean, fresh: boolean): readonly Pattern[] {
  if (quick) return QUICK_PATTERNS.map(parsePattern).filter(({ kind }) => !fresh || writes(kind));
  return PATTERNS.filter(
    ({ kind, floor }) => (!check || floor !== undefined) && (!fresh || (writes(kind) && kind !== "mixed")),
  );
}

function choosePeer(targets: readonly SetupKind[], wanted: string | undefined): string | undefined {
  if (wanted !== undefined) {
    if (targets.some(({ name }) => name === wanted)) return wanted;
    throw new UsageError(`--peer: '${wanted}' is not among the targets`);
  }
  if (targets.length < 2) return undefined;
  return targets.find(({ name }) => name === "tgtd")?.name ?? targets.at(-1)?.name;
}

/**
 * @returns "help", or what to do
 * @throws {UsageError} saying which argument is wrong and why
 */
export function parseOptions(args: readonly string[]): Options | "help" {
  const values = parseValues(args);
  if (values.help) return "help";
  const { quick, check, fresh, overwrite } = values;
  const targets = (values.target ?? ["ours", "ours-none", "tgtd"]).map((spec) =>
    parseTarget(spec, overwrite),
  );
  const names = targets.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new UsageError(`--target: '${twice}' is given twice`);
  const patterns = values.pattern?.map(parsePattern) ?? defaultPatterns(quick, check, fresh);
  if (fresh) {
    const kept = targets.find(({ canBeFresh }) => !canBeFresh);
    if (kept !== undefined) throw new UsageError(`--fresh: '${kept.name}' cannot be made anew for each run`);
    const reading = patterns.find(({ kind }) => !writes(kind));
    if (reading !== undefined)
      throw new UsageError(`--fresh: ${reading.name} would read what was never written`);
  }
  if (check && !(names.includes("ours") && names.includes("tgtd"))) {
    throw new UsageError("--check needs the targets ours and tgtd");
  }
  const peer = choosePeer(targets, values.peer);
  if (check && peer !== "tgtd") throw new UsageError("--check needs tgtd as the peer");
  return {
    targets,
    peer,
    patterns,
    size: parseSize(values.size ?? (quick ? "64MiB" : "1GiB")),
    rounds: parseNumber("rounds", values.rounds ?? (quick ? "1" : "5"), 1, 1000, true),
    seconds: parseNumber("seconds", values.seconds ?? (quick ? "0.3" : "3"), 0.1, 3600, false),
    warmup: parseNumber("warmup", values.warmup ?? (quick ? "0.1" : "1"), 0, 3600, false),
    fresh,
    check,
    directory: values.directory,
    json: values.json,
    svg: values.svg,
    markdown: values.markdown,
  };
}

function parseValues(args: readonly string[]) {
  const text = { type: "string" } as const;
  const texts = { type: "string", multiple: true } as const;
  const flag = { type: "boolean", default: false } as const;
  try {
    return parseArgs({
      args: [...args],
      options: {
        target: texts,
        overwrite: flag,
        peer: text,
        pattern: texts,
        size: text,
        rounds: text,
        seconds: text,
        warmup: text,
        fresh: flag,
        quick: flag,
        check: flag,
        directory: { type: "string", default: "/var/tmp" },
        json: text,
        svg: text,
        markdown: text,
        help: flag,
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}
