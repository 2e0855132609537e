/** What of a program's output tells which of its tests failed, and how: to be read where only the end of everything is kept. */

/** A test of TAP or of googletest that failed, or an assertion of the latter. */
const FAILURE = /^\s*not ok \d|^\[ {2}FAILED {2}\] \S|: Failure$/;
/** Lines behind one: what was expected, and where. */
const DETAIL_LINES = 15;
const LINES_MAX = 80;
/** Of an output that names none. */
const LAST_LINES = 40;

export function failuresIn(output: string): string[] {
  const lines = output.trimEnd().split("\n");
  const told = new Set<number>();
  for (const [at, line] of lines.entries())
    if (FAILURE.test(line)) for (let i = at; i <= at + DETAIL_LINES && i < lines.length; i++) told.add(i);
  const found = [...told].map((at) => lines[at] ?? "");
  return found.length === 0 ? lines.slice(-LAST_LINES) : found.slice(0, LINES_MAX);
}
