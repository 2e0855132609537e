/** `bench/run`: how fast are set-ups that serve a disk, compared with each other? */
import { writeFile } from "node:fs/promises";
import { buildGenerator } from "./load.js";
import { parseOptions, USAGE, UsageError, type Options } from "./options.js";
import { renderMarkdown } from "./report/markdown.js";
import { checkPrograms } from "./programs.js";
import { buildReport, missedFloors } from "./report/report.js";
import { renderSvg } from "./report/svg.js";
import { renderTable } from "./report/table.js";
import { measureAll } from "./rounds.js";

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
const EXIT_INTERRUPTED = 130;

function progress(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** @returns exit status */
async function compare(options: Options, signal: AbortSignal): Promise<number> {
  const { targets, patterns, rounds, seconds, warmup } = options;
  const minutes = (targets.length * patterns.length * rounds * (seconds + warmup)) / 60;
  progress(`${targets.length * patterns.length * rounds} runs, at least ${minutes.toFixed(1)} minutes`);
  await checkPrograms(targets);
  await buildGenerator(signal);
  const report = buildReport(options, await measureAll(options, progress, signal));
  process.stdout.write(renderTable(report));
  if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(report, undefined, 2)}\n`);
  if (options.markdown !== undefined) await writeFile(options.markdown, renderMarkdown(report));
  if (options.svg !== undefined) await writeFile(options.svg, renderSvg(report));
  const missed = options.check ? missedFloors(report) : [];
  for (const sentence of missed) process.stdout.write(`MISSED ${sentence}\n`);
  return missed.length === 0 ? 0 : EXIT_FAILED;
}

function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}: ${explain(error.cause)}`;
}

async function main(): Promise<number> {
  const interrupt = new AbortController();
  const onSignal = (): void => interrupt.abort(new Error("interrupted"));
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  try {
    const options = parseOptions(process.argv.slice(2));
    if (options === "help") {
      process.stdout.write(USAGE);
      return 0;
    }
    return await compare(options, interrupt.signal);
  } catch (error) {
    if (interrupt.signal.aborted) return EXIT_INTERRUPTED;
    const hint = error instanceof UsageError ? " (--help says more)" : "";
    process.stderr.write(`bench: ${explain(error)}${hint}\n`);
    return error instanceof UsageError ? EXIT_USAGE : EXIT_FAILED;
  }
}

process.exitCode = await main();
