/** Results in words. */
import { summaryLine } from "../../runner/count.js";
import type { Judgement, Result } from "../judge.js";
import { PROMISES, type PromiseName } from "../scenario.js";

const SIGN: Record<Judgement["type"], string> = { kept: "ok", broken: "BROKEN", open: "-" };

/** One scenario: what was kept; of what was broken what was seen, and how to see it again. */
export function line(result: Result): string {
  const { scenario, seed, seconds, promises, notes, logs } = result;
  const signs = (Object.keys(PROMISES) as PromiseName[])
    .map((name) => `${name} ${SIGN[promises[name].type]}`)
    .join("  ");
  const told = [
    `${scenario.padEnd(28)} ${seconds.toFixed(1).padStart(5)} s  ${signs}  (${operationsOf(result)})`,
  ];
  told.push(...notes.map((note) => `  note: ${note}`));
  for (const [name, judgement] of Object.entries(promises)) {
    if (judgement.type !== "broken") continue;
    told.push(`  ${PROMISES[name as PromiseName]}: broken`, ...judgement.seen.map((seen) => `    ${seen}`));
  }
  if (logs !== null)
    told.push(`  again: test/faults/run ${scenario} --seed ${seed}`, `  logs and data: ${logs}`);
  return told.join("\n");
}

function operationsOf({ counts }: Result): string {
  const { reads, writes, unmaps, flushes, errors, lost } = counts;
  return `${reads + writes + unmaps + flushes} operations, ${errors} errors, ${lost} unanswered`;
}

/** A bug that was planted, and what became of it. */
export interface Find {
  bug: string;
  about: string;
  scenario: string;
  rounds: number;
  /** of all rounds */
  seconds: number;
  /** what showed it; null: nothing did */
  found: string | null;
}

export function findLine({ bug, about, scenario, rounds, seconds, found }: Find): string {
  const how = found === null ? "NOT FOUND" : "found";
  const effort = `${how} in ${seconds.toFixed(1)} s, ${rounds} ${rounds === 1 ? "round" : "rounds"} of ${scenario}`;
  return `${bug.padEnd(16)} ${effort}: ${about}${found === null ? "" : `\n${" ".repeat(17)}${found}`}`;
}

export interface Totals {
  scenarios: number;
  operations: number;
  errors: number;
  unanswered: number;
  kept: number;
  broken: number;
  seconds: number;
}

export function totals(results: readonly Result[]): Totals {
  const sum = (of: (result: Result) => number): number =>
    results.reduce((total, each) => total + of(each), 0);
  const judged = (type: Judgement["type"]): number =>
    sum(({ promises }) => Object.values(promises).filter((each) => each.type === type).length);
  return {
    scenarios: results.length,
    operations: sum(
      ({ counts: { reads, writes, unmaps, flushes, errors } }) => reads + writes + unmaps + flushes + errors,
    ),
    errors: sum(({ counts }) => counts.errors),
    unanswered: sum(({ counts }) => counts.lost),
    kept: judged("kept"),
    broken: judged("broken"),
    seconds: sum(({ seconds }) => seconds),
  };
}

/** The last lines; the very last one is what the test suite counts. */
export function summary(results: readonly Result[]): string {
  const { scenarios, operations, errors, unanswered, kept, broken, seconds } = totals(results);
  const failed = results.filter(({ logs }) => logs !== null).length;
  return [
    `${operations} operations answered, ${errors} of them with an error, ${unanswered} unanswered`,
    `${kept} promises kept, ${broken} broken, in ${seconds.toFixed(0)} s`,
    summaryLine({ passed: scenarios - failed, failed, skipped: 0 }),
  ].join("\n");
}
