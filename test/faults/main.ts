/** The command `test/faults/run`: plays scenarios, prints and writes what was kept. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { summaryLine } from "../runner/count.js";
import { readArguments } from "../tools/command-line.js";
import { judge, type Result } from "./judge.js";
import { BUGS, withBug } from "./lies/bugs.js";
import { findLine, line, summary, type Find } from "./report/text.js";
import { writeReport } from "./report/write.js";
import type { Scenario } from "./scenario.js";
import { soak } from "./soak/main.js";

const USAGE = `usage: test/faults/run [--list] [--quick] [--bugs] [--rounds N] [--seed S] [--report DIR] [NAME...]
       test/faults/run soak [--help]
  --list        name the scenarios, or with --bugs the bugs
  --quick       those of the test suite
  --bugs        plant bugs on purpose: the checkers have to find each, within N rounds (default 5)
  --rounds N    play each scenario so often, with other seeds (default 1)
  --seed S      the first round's seed: what happens when (default: by the clock)
  --report DIR  write report.txt, report.json and report.html there`;

const SEEDS = 1_000_000;
const BUG_ROUNDS = 5;

interface Run {
  /** empty: all */
  names: string[];
  seed: number;
  rounds: number | null;
  folder: string;
}

async function main(): Promise<number> {
  const [command, ...rest] = process.argv.slice(2);
  if (command === "soak") return soak(rest);
  const { values, positionals: names } = readArguments(USAGE, {
    allowPositionals: true,
    options: {
      list: { type: "boolean", default: false },
      quick: { type: "boolean", default: false },
      bugs: { type: "boolean", default: false },
      rounds: { type: "string" },
      seed: { type: "string", default: String(Date.now() % SEEDS) },
      report: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const scenarios = await readScenarios();
  const known = values.bugs ? new Map(Object.entries(BUGS)) : scenarios;
  if (values.list) {
    for (const [name, { about }] of known) console.log(`${name.padEnd(28)} ${about}`);
    return 0;
  }
  const unknown = names.filter((name) => !known.has(name));
  if (unknown.length > 0) throw new Error(`not known: ${unknown.join(", ")}`);
  const rounds = values.rounds === undefined ? null : Number(values.rounds);
  const seed = Number(values.seed);
  if (!Number.isInteger(seed) || (rounds !== null && !(rounds > 0))) {
    console.error(USAGE);
    return 2;
  }
  const folder = mkdtempSync(join(tmpdir(), "aurochs-faults-"));
  const run = { names, seed, rounds, folder };
  if (values.quick) run.names.push(...[...scenarios].filter(([, { quick }]) => quick).map(([name]) => name));
  const results = values.bugs ? [] : await play(run, scenarios);
  const finds = values.bugs ? await hunt(run, scenarios) : [];
  if (values.report !== undefined) {
    mkdirSync(values.report, { recursive: true });
    writeReport(values.report, results, finds);
  }
  const failed = results.some(({ logs }) => logs !== null) || finds.some(({ found }) => found === null);
  if (!failed) rmSync(folder, { recursive: true, force: true });
  return failed ? 1 : 0;
}

async function play(
  { names, seed, rounds, folder }: Run,
  scenarios: Map<string, Scenario>,
): Promise<Result[]> {
  const results: Result[] = [];
  for (let round = 0; round < (rounds ?? 1); round++) {
    for (const [name, scenario] of scenarios) {
      if (names.length > 0 && !names.includes(name)) continue;
      const result = await judge(name, scenario, seed + round, join(folder, `${name}-${seed + round}`));
      results.push(result);
      console.log(line(result));
    }
  }
  console.log(summary(results));
  return results;
}

async function hunt({ names, seed, rounds, folder }: Run, scenarios: Map<string, Scenario>): Promise<Find[]> {
  const finds: Find[] = [];
  for (const [name, bug] of Object.entries(BUGS)) {
    if (names.length > 0 && !names.includes(name)) continue;
    const scenario = scenarios.get(bug.scenario);
    if (scenario === undefined) throw new Error(`no such scenario: ${bug.scenario}`);
    const find: Find = {
      ...{ bug: name, about: bug.about, scenario: bug.scenario },
      rounds: 0,
      seconds: 0,
      found: null,
    };
    while (find.found === null && find.rounds < (rounds ?? BUG_ROUNDS)) {
      const data = join(folder, `${name}-${seed + find.rounds}`);
      const result = await judge(bug.scenario, withBug(scenario, bug), seed + find.rounds, data);
      find.rounds += 1;
      find.seconds += result.seconds;
      find.found = firstBroken(result);
      rmSync(data, { recursive: true, force: true });
    }
    finds.push(find);
    console.log(findLine(find));
  }
  const failed = finds.filter(({ found }) => found === null).length;
  console.log(summaryLine({ passed: finds.length - failed, failed, skipped: 0 }));
  return finds;
}

/** What the data tell counts: a volume that does not come back may have many reasons. */
function firstBroken({ promises }: Result): string | null {
  for (const name of ["order", "durable", "equal"] as const) {
    const judged = promises[name];
    if (judged.type === "broken") return `${name}: ${judged.seen[0] ?? ""}`;
  }
  return null;
}

/** By name, from the sources: what was compiled once and is gone is not played. */
async function readScenarios(): Promise<Map<string, Scenario>> {
  const names = readdirSync("test/faults/scenarios").map((file) => file.replace(/\.ts$/, ""));
  const found = new Map<string, Scenario>();
  for (const name of names.sort()) {
    const module = (await import(`./scenarios/${name}.js`)) as { default: Scenario };
    found.set(name, module.default);
  }
  return found;
}

main().then(
  (code) => (process.exitCode = code),
  (error: unknown) => {
    console.error((error as Error).message);
    process.exitCode = 2;
  },
);
