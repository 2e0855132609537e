/** Numbers for people. */
import type { Summary } from "../statistics.js";

/** Three significant digits at least, no exponent. */
export function figure(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString("en-US");
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

/** `1.42 (1.38-1.45)`: the median and the rounds' extremes. */
export function spread({ median, min, max }: Summary): string {
  return `${figure(median)} (${figure(min)}-${figure(max)})`;
}

export const mebibytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(1);

/** Columns padded to the widest entry: the first to the left, the others to the right. */
export function alignColumns(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((text, column) => (widths[column] = Math.max(widths[column] ?? 0, text.length)));
  }
  const pad = (text: string, column: number): string =>
    column === 0 ? text.padEnd(widths[column] ?? 0) : text.padStart(widths[column] ?? 0);
  return rows.map((row) => row.map(pad).join("  ").trimEnd() + "\n").join("");
}
