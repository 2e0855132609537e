/** The command `test/full/run`: one run of all judges, one after the other, and one report. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readArguments } from "../tools/command-line.js";
import { startDaemon } from "../tools/process.js";
import { PARTS, type Bounds, type Part } from "./part.js";
import { headline, line, writeReport, type PartResult } from "./report.js";

const USAGE = `usage: test/full/run [--report DIR] [--seed S] [--sim-seconds S] [--length N] [--share-of N] [--scenarios NAME,...]
                     [--bugs TEXT] [--cuts N] [--fuzz-seconds S] [PART...]
Plays the simulator, the fault rig, power cuts and the fuzzers, each for as long as it is told, and writes report.txt, report.json
and report.html. Parts: ${PARTS.map(({ name }) => name).join(", ")}; absent: all.
  --report DIR     where the report goes, and what each part says (default: full-run)
  --sim-seconds S  seeds for so long (default 300)
  --length N       sequences of up to N operations (default 3), ...
  --share-of N     ... of each N of them the first, at all crash points (default 24)
  --scenarios ...  of the rig these alone (default: all)
  --bugs TEXT      of the simulator's bugs those that have this in their names (default: all)
  --cuts N         power cuts in each cell of the matrix (default 3)
  --fuzz-seconds S for each target (default 10)
At these defaults it takes 30 to 40 minutes of two cores that have nothing else to do.`;

function whole(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  console.error(`${text} is not a whole number above 0\n\n${USAGE}`);
  process.exit(2);
}

async function play(part: Part, bounds: Bounds, report: string): Promise<PartResult> {
  const folder = join(report, part.name);
  mkdirSync(folder, { recursive: true });
  const log = join(folder, "output.txt");
  writeFileSync(log, "");
  const command = part.command(bounds, folder);
  const [program = "", ...args] = command;
  const began = Date.now();
  const end = await startDaemon(program, args, {}, log).ended;
  const seconds = (Date.now() - began) / 1000;
  const outcome = part.read(readFileSync(log, "utf8"), folder);
  return {
    ...{ name: part.name, about: part.about, command: command.join(" "), seconds, ...outcome },
    failure: failureOf(outcome, end, log),
  };
}

/** A part that has counted nothing has not run. */
function failureOf(
  { numbers, violations, bugs }: Pick<PartResult, "numbers" | "violations" | "bugs">,
  end: number | string,
  log: string,
): string {
  const missed = bugs.filter(({ seconds }) => seconds === null).length;
  if (violations > 0) return `${violations} violations, see ${log}`;
  if (missed > 0) return `${missed} bugs were not found, see ${log}`;
  if (end !== 0) return `it ended with ${end}, see ${log}`;
  const counted = bugs.length + Object.values(numbers).reduce((sum, each) => sum + each, 0);
  return counted === 0 ? `nothing was run, see ${log}` : "";
}

async function main(): Promise<number> {
  const { values, positionals } = readArguments(USAGE, {
    allowPositionals: true,
    options: {
      report: { type: "string", default: "full-run" },
      seed: { type: "string", default: "1" },
      "sim-seconds": { type: "string", default: "300" },
      length: { type: "string", default: "3" },
      "share-of": { type: "string", default: "24" },
      scenarios: { type: "string", default: "" },
      bugs: { type: "string", default: "" },
      cuts: { type: "string", default: "3" },
      "fuzz-seconds": { type: "string", default: "10" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const unknown = positionals.filter((name) => PARTS.every((part) => part.name !== name));
  if (unknown.length > 0) {
    console.error(`not known: ${unknown.join(", ")}\n\n${USAGE}`);
    return 2;
  }
  const bounds: Bounds = {
    ...{ simSeconds: whole(values["sim-seconds"]), length: whole(values.length) },
    ...{ shareOf: whole(values["share-of"]), cuts: whole(values.cuts), seed: whole(values.seed) },
    ...{ fuzzSeconds: whole(values["fuzz-seconds"]), bugs: values.bugs },
    scenarios: values.scenarios.split(",").filter((name) => name !== ""),
  };
  mkdirSync(values.report, { recursive: true });
  const results: PartResult[] = [];
  for (const part of PARTS) {
    if (positionals.length > 0 && !positionals.includes(part.name)) continue;
    const result = await play(part, bounds, values.report);
    results.push(result);
    console.log(line(result));
    // What there is, also when it is ended half way.
    writeReport(values.report, results, bounds);
  }
  console.log(headline(results));
  console.log(`the report: ${join(values.report, "report.html")}`);
  return results.some(({ failure }) => failure !== "") ? 1 : 0;
}

process.exitCode = await main();
