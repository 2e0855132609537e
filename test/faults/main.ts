/** The command `test/faults/run`: plays scenarios, prints and writes what was kept. */
import { mkdirSync, mkdtempSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { judge, type Result } from "./judge.js";
import { line, summary } from "./report/text.js";
import { writeReport } from "./report/write.js";
import type { Scenario } from "./scenario.js";

const USAGE = `usage: test/faults/run [--list] [--quick] [--rounds N] [--seed S] [--report DIR] [SCENARIO...]
  --list        name the scenarios
  --quick       those of the test suite
  --rounds N    play each so often, with other seeds (default 1)
  --seed S      the first round's seed: what happens when (default: by the clock)
  --report DIR  write report.txt, report.json and report.html there`;

const SEEDS = 1_000_000;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      list: { type: "boolean" },
      quick: { type: "boolean" },
      rounds: { type: "string", default: "1" },
      seed: { type: "string", default: String(Date.now() % SEEDS) },
      report: { type: "string" },
      help: { type: "boolean" },
    },
  });
  if (values.help === true) {
    console.log(USAGE);
    return 0;
  }
  const all = await scenarios();
  if (values.list === true) {
    for (const [name, { about, quick }] of all)
      console.log(`${name.padEnd(28)} ${quick ? "quick " : "      "} ${about}`);
    return 0;
  }
  const unknown = positionals.filter((name) => !all.has(name));
  if (unknown.length > 0) throw new Error(`no such scenario: ${unknown.join(", ")}`);
  const chosen = [...all].filter(([name, { quick }]) =>
    positionals.length > 0 ? positionals.includes(name) : quick || values.quick !== true,
  );
  const folder = mkdtempSync(join(tmpdir(), "aurochs-faults-"));
  const results: Result[] = [];
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const [name, scenario] of chosen) {
      const seed = Number(values.seed) + round;
      const result = await judge(name, scenario, seed, join(folder, `${name}-${seed}`));
      results.push(result);
      console.log(line(result));
    }
  }
  console.log(summary(results));
  if (values.report !== undefined) {
    mkdirSync(values.report, { recursive: true });
    writeReport(values.report, results);
  }
  return results.some(({ logs }) => logs !== null) ? 1 : 0;
}

/** By name, from the sources: what was compiled once and is gone is not played. */
async function scenarios(): Promise<Map<string, Scenario>> {
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
