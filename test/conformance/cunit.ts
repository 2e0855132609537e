/** Reads what `iscsi-test-cu` prints. CUnit counts a skipped test as passed; only its `[SKIPPED]` line tells. */

export type Outcome = "passed" | "failed" | "skipped";

export interface CaseResult {
  /** `Suite.Test`, e.g. `Read10.BeyondEol` */
  name: string;
  outcome: Outcome;
  /** what the test printed, without the verdict; for a skipped one its reason */
  detail: string;
}

export function parseResults(output: string): CaseResult[] {
  const results: CaseResult[] = [];
  let suite = "";
  for (const part of output.split(/^(?=Suite: | {2}Test: |Run Summary:)/m)) {
    suite = /^Suite: (\S+)/.exec(part)?.[1] ?? suite;
    const test = /^ {2}Test: (\S+) \.\.\.([\s\S]*)$/.exec(part);
    if (test?.[1] === undefined || test[2] === undefined) continue;
    const detail = test[2];
    results.push({ name: `${suite}.${test[1]}`, outcome: outcomeOf(detail), detail: detail.trim() });
  }
  return results;
}

function outcomeOf(detail: string): Outcome {
  // The verdict stands at the start of a line of its own or right behind the dots; a test that crashed has none.
  if (/^FAILED/m.test(detail) || !/^passed/m.test(detail)) return "failed";
  return detail.includes("[SKIPPED]") ? "skipped" : "passed";
}

/** Names of all tests, each once: `iscsi-test-cu --list` names most of them in several families. */
export function parseList(output: string): string[] {
  return output.split("\n").flatMap((line) => /^ALL\.([^.]+\.[^.]+)$/.exec(line.trim())?.[1] ?? []);
}
