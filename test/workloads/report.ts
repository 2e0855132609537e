/** The matrix as text and as JSON. */
import type { CellResult } from "./cell.js";

const COLUMNS = [
  "database",
  "file system",
  "scope",
  "cuts",
  "acknowledged",
  "lost",
  "repairs",
  "seconds",
] as const;

export function textReport(results: readonly CellResult[]): string {
  const rows = results.map((cell) => [
    ...[cell.database, cell.fileSystem, cell.scope],
    ...[cell.cuts, cell.acknowledged, cell.lost, cell.repairs, cell.seconds].map(String),
  ]);
  const total = (of: (cell: CellResult) => number): string =>
    String(results.reduce((sum, cell) => sum + of(cell), 0));
  rows.push([
    ...["all", "", ""],
    ...[
      total(({ cuts }) => cuts),
      total(({ acknowledged }) => acknowledged),
      total(({ lost }) => lost),
      total(({ repairs }) => repairs),
      total(({ seconds }) => seconds),
    ],
  ]);
  const widths = COLUMNS.map((column, at) =>
    Math.max(column.length, ...rows.map((row) => row[at]?.length ?? 0)),
  );
  const line = (row: readonly string[]): string =>
    row
      .map((text, at) => text.padEnd(widths[at] ?? 0))
      .join("  ")
      .trimEnd();
  const failures = results
    .filter(({ failure }) => failure !== "")
    .map(
      ({ database, fileSystem, scope, seed, cuts, failure }) =>
        `${database} ${fileSystem} ${scope}, seed ${seed}, after ${cuts} cuts: ${failure}`,
    );
  return [line(COLUMNS), ...rows.map(line), ...failures].join("\n");
}
