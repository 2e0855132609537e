/** `bench/scenario`: what happens once, and how long it takes. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { buildGenerator } from "../load.js";
import { depth } from "./depth.js";
import { foreground } from "./foreground.js";
import { open } from "./open.js";
import { rebuildInUse } from "./rebuild-in-use.js";
import { rebuild } from "./rebuild.js";
import { resync } from "./resync.js";
import type { Figure, Scenario } from "./scenario.js";
import { snapshots } from "./snapshots.js";
import { upgrade } from "./upgrade.js";

const SCENARIOS: readonly Scenario[] = [resync, rebuild, rebuildInUse, foreground, snapshots, depth, upgrade, open]; // prettier-ignore

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
const EXIT_INTERRUPTED = 130;

const USAGE = `Usage: bench/scenario [options] NAME

Plays a scenario once, and prints its figures:

${SCENARIOS.map(({ name, about }) => `  ${name.padEnd(14)} ${about}`).join("\n")}

  --quick           small sizes: does it run at all?
  --directory DIR   where volumes are made and removed (default /var/tmp)
  --json FILE       write the figures there as well
  --help
`;

interface Arguments {
  scenario: Scenario;
  quick: boolean;
  directory: string;
  json: string | undefined;
}

/** @throws {Error} naming what is wrong */
function parse(args: string[]): Arguments | "help" {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      quick: { type: "boolean", default: false },
      directory: { type: "string", default: "/var/tmp" },
      json: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return "help";
  const [name, ...more] = positionals;
  if (name === undefined || more.length > 0) throw new Error("give the name of one scenario");
  const scenario = SCENARIOS.find((candidate) => candidate.name === name);
  if (scenario === undefined) throw new Error(`there is no scenario '${name}'`);
  return { scenario, quick: values.quick, directory: values.directory, json: values.json };
}

async function play({ scenario, quick, directory: parent, json }: Arguments, signal: AbortSignal) {
  const progress = (line: string): void => void process.stderr.write(`${line}\n`);
  await buildGenerator(signal);
  const directory = await mkdtemp(`${parent}/aurochs-bench-`);
  try {
    const figures = await scenario.run({ directory, quick, progress, signal });
    process.stdout.write(
      `${scenario.about}${quick ? " (--quick: smaller)" : ""}\n${figures.map(lineOf).join("")}`,
    );
    if (json !== undefined) await writeFile(json, `${JSON.stringify(figures, undefined, 2)}\n`);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function lineOf({ what, value, unit, range }: Figure): string {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  const rounds = range === undefined ? "" : ` (${range.min.toFixed(digits)} to ${range.max.toFixed(digits)})`;
  return `  ${value.toFixed(digits).padStart(8)} ${unit.padEnd(4)} ${what}${rounds}\n`;
}

const interrupt = new AbortController();
const onSignal = (): void => interrupt.abort(new Error("interrupted"));
process.on("SIGINT", onSignal).on("SIGTERM", onSignal);

let wanted: Arguments | "help";
try {
  wanted = parse(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`bench: ${(error as Error).message} (--help says more)\n`);
  process.exit(EXIT_USAGE);
}
if (wanted === "help") {
  process.stdout.write(USAGE);
} else {
  try {
    await play(wanted, interrupt.signal);
  } catch (error) {
    process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = interrupt.signal.aborted ? EXIT_INTERRUPTED : EXIT_FAILED;
  }
}
