/** How many test cases a program's output speaks of: gtest, TAP, or the line that this suite ends with. */

export interface Count {
  passed: number;
  failed: number;
  skipped: number;
}

export type CountStyle =
  /** googletest's closing lines, summed when it runs several times */
  | "gtest"
  /** TAP as `tap --reporter=tap` prints it: a file is indented 0, its tests 4; deeper ones are details of a test */
  | "tap"
  /** `N passed, N failed[, N skipped]` */
  | "summary"
  /** a check without cases of its own: counts nothing when it passes */
  | "check";

export function sum(counts: Count[]): Count {
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const count of counts) {
    total.passed += count.passed;
    total.failed += count.failed;
    total.skipped += count.skipped;
  }
  return total;
}

/** The line that the suite ends with. */
export function summaryLine({ passed, failed, skipped }: Count): string {
  return `${passed} passed, ${failed} failed` + (skipped > 0 ? `, ${skipped} skipped` : "");
}

/** @param exitCode not 0 means at least one failure, even when the output admits none */
export function countCases(style: CountStyle, output: string, exitCode: number): Count {
  const count = PARSERS[style](output);
  // A program that dies before its first test, or runs none, has not passed.
  if (style !== "check" && count.passed + count.failed === 0) count.failed = 1;
  if (exitCode !== 0 && count.failed === 0) count.failed = 1;
  return count;
}

const PARSERS: Record<CountStyle, (output: string) => Count> = {
  gtest: (output) => ({
    passed: sumOf(output, /^\[ {2}PASSED {2}\] (\d+) tests?\.$/gm),
    failed: sumOf(output, /^\[ {2}FAILED {2}\] (\d+) tests?, listed below:$/gm),
    skipped: sumOf(output, /^\[ {2}SKIPPED \] (\d+) tests?, listed below:$/gm),
  }),
  tap: countTap,
  summary: (output) => ({
    passed: lastNumber(output, /^(\d+) passed, \d+ failed/gm),
    failed: lastNumber(output, /^\d+ passed, (\d+) failed/gm),
    skipped: lastNumber(output, /^\d+ passed, \d+ failed, (\d+) skipped$/gm),
  }),
  check: () => ({ passed: 0, failed: 0, skipped: 0 }),
};

function lastNumber(output: string, pattern: RegExp): number {
  return Number([...output.matchAll(pattern)].at(-1)?.[1] ?? 0);
}

function sumOf(output: string, pattern: RegExp): number {
  return [...output.matchAll(pattern)].reduce((sum, [, number]) => sum + Number(number), 0);
}

function countTap(output: string): Count {
  const count = { passed: 0, failed: 0, skipped: 0 };
  const fileFailures = { named: 0, whole: 0 };
  for (const line of output.split("\n")) {
    const point = /^( {4})?(not )?ok \d+(?: - .*?)??( # (?:SKIP|TODO)\b.*)?$/i.exec(line.replace(/ \{$/, ""));
    if (point === null) continue;
    const [, indent, not, directive] = point;
    if (indent === undefined) {
      // A file that crashed or timed out fails without any of its tests having failed.
      if (not !== undefined && fileFailures.named === 0) fileFailures.whole++;
      fileFailures.named = 0;
    } else if (directive !== undefined) count.skipped++;
    else if (not === undefined) count.passed++;
    else {
      count.failed++;
      fileFailures.named++;
    }
  }
  count.failed += fileFailures.whole;
  return count;
}
