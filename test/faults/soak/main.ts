/** `test/faults/run soak`: the options, the signals, the end. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readArguments } from "../../tools/command-line.js";
import { summaryLine } from "../../runner/count.js";
import { BUGS } from "../lies/bugs.js";
import { EVERY_S, RATE } from "./limits.js";
import { text, verdictOn } from "./report.js";
import { Soak } from "./soak.js";
import { STRIKES } from "./strikes.js";

const USAGE = `usage: test/faults/run soak [--hours H | --minutes M] [--every S] [--rate N] [--seed S]
                            [--faults NAME,...] [--bug NAME] [--report DIR]
Keeps a volume under load, lets something fail every S seconds (default ${EVERY_S}), and verifies every block in each copy after
each fault. Ctrl-C ends it in order. Exit code 1: something was violated, or a process grows.
  --rate N      operations started a second (default ${RATE})
  --faults ...  chosen from these alone, of: ${Object.keys(STRIKES).join(", ")}
  --bug NAME    plants a bug on purpose, see --bugs --list: it has to be found
  --report DIR  write soak.txt and soak.json there`;

const SEEDS = 1_000_000;

/** @returns the exit code */
export async function soak(args: string[]): Promise<number> {
  const { values } = readArguments(USAGE, {
    args,
    options: {
      hours: { type: "string" },
      minutes: { type: "string" },
      every: { type: "string", default: String(EVERY_S) },
      rate: { type: "string", default: String(RATE) },
      seed: { type: "string", default: String(Date.now() % SEEDS) },
      faults: { type: "string", default: Object.keys(STRIKES).join(",") },
      bug: { type: "string" },
      report: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  const seconds =
    values.minutes === undefined ? 3_600 * Number(values.hours ?? 1) : 60 * Number(values.minutes);
  const numbers = {
    seed: Number(values.seed),
    seconds,
    every: Number(values.every),
    rate: Number(values.rate),
  };
  const bug = values.bug === undefined ? null : BUGS[values.bug];
  const strikes = values.faults.split(",");
  const unknown = strikes.filter((name) => !(name in STRIKES));
  if (values.help || unknown.length > 0 || bug === undefined || Object.values(numbers).some(Number.isNaN)) {
    console.log(USAGE);
    return values.help ? 0 : 2;
  }
  const folder = mkdtempSync(join(tmpdir(), "aurochs-soak-"));
  const again = [
    "--minutes",
    seconds / 60,
    "--every",
    numbers.every,
    "--rate",
    numbers.rate,
    "--seed",
    numbers.seed,
  ];
  console.log(`test/faults/run soak ${again.join(" ")}`);
  const soak = new Soak({ ...numbers, strikes, bug, folder, tell: (line) => console.log(line) });
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => {
      console.log("ends after this fault");
      soak.stop();
    });
  }
  const verdict = verdictOn(await soak.run());
  const told = text(verdict);
  if (values.report !== undefined) {
    mkdirSync(values.report, { recursive: true });
    writeFileSync(join(values.report, "soak.txt"), `${told}\n`);
    writeFileSync(join(values.report, "soak.json"), JSON.stringify(verdict, null, 2));
  }
  console.log(told);
  if (verdict.passed) rmSync(folder, { recursive: true, force: true });
  else console.log(`logs and data: ${folder}`);
  console.log(summaryLine({ passed: verdict.passed ? 1 : 0, failed: verdict.passed ? 0 : 1, skipped: 0 }));
  return verdict.passed ? 0 : 1;
}
