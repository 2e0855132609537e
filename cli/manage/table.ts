/** Tables for people: columns as wide as what is in them. Pure. */
import type { Tone } from "./terminal.js";

export interface Column<T> {
  title: string;
  of: (item: T) => string;
  align?: "right";
  tone?: (item: T) => Tone | null;
}

export type Paint = (text: string, tone: Tone | null) => string;

const GAP = "   ";

/** @returns a line of titles, and one for each item, each with its line's end */
export function tableText<T>(columns: readonly Column<T>[], items: readonly T[], paint: Paint): string {
  const cells = items.map((item) => columns.map(({ of }) => of(item)));
  const widths = columns.map(({ title }, i) =>
    Math.max(title.length, ...cells.map((row) => row[i]?.length ?? 0)),
  );
  const line = (row: readonly string[], tones: readonly (Tone | null)[]) =>
    row
      .map((text, i) => {
        const width = widths[i] ?? 0;
        const isLast = i === row.length - 1;
        const padding = " ".repeat(width - text.length);
        const painted = paint(text, tones[i] ?? null);
        if (columns[i]?.align === "right") return padding + painted;
        return isLast ? painted : painted + padding;
      })
      .join(GAP)
      .trimEnd();
  const titles = line(
    columns.map(({ title }) => title),
    columns.map(() => null),
  );
  const rows = items.map((item, i) =>
    line(
      cells[i] ?? [],
      columns.map(({ tone }) => tone?.(item) ?? null),
    ),
  );
  return [titles, ...rows].map((text) => `${text}\n`).join("");
}

/** Names and what they have, one a line, the values below each other; what is empty is left out. */
export function fieldsText(fields: readonly (readonly [name: string, value: string])[]): string {
  const shown = fields.filter(([, value]) => value !== "");
  const width = Math.max(0, ...shown.map(([name]) => name.length));
  return shown.map(([name, value]) => `${name.padEnd(width)}  ${value}\n`).join("");
}
