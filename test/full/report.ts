/** The report of a full run: text, JSON, and a page with pictures. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { escape, row, scenarioPicture, scenarioTable, STYLE, table } from "../faults/report/html.js";
import { summaryLine } from "../runner/count.js";
import type { Bounds, Bug, Outcome } from "./part.js";

export interface PartResult extends Outcome {
  name: string;
  about: string;
  command: string;
  seconds: number;
  /** why it is not good; empty: it is */
  failure: string;
}

/** px */
const BAR = { label: 170, width: 560, height: 22 };

export function writeReport(folder: string, parts: readonly PartResult[], bounds: Bounds): void {
  writeFileSync(join(folder, "report.txt"), `${text(parts)}\n`);
  writeFileSync(join(folder, "report.html"), page(parts));
  const totals = { ...totalsOf(parts), violations: sumOf(parts, ({ violations }) => violations) };
  writeFileSync(join(folder, "report.json"), JSON.stringify({ bounds, totals, parts }, null, 2));
}

export function line({ name, seconds, numbers, bugs, violations, failure }: PartResult): string {
  const counts = Object.entries(numbers).map(([what, count]) => `${count} ${what}`);
  const found = bugs.filter((bug) => bug.seconds !== null).length;
  if (bugs.length > 0) counts.push(`${found} of ${bugs.length} bugs found`);
  const judged = failure === "" ? `${violations} violations` : `FAILED: ${failure}`;
  return `${name.padEnd(18)} ${seconds.toFixed(0).padStart(5)} s  ${[...counts, judged].join(", ")}`;
}

export function text(parts: readonly PartResult[]): string {
  const bugs = parts.flatMap((part) => part.bugs);
  const failed = parts.filter(({ failure }) => failure !== "").length;
  return [
    ...parts.map(line),
    "",
    ...(bugs.length > 0 ? ["bugs that were planted, and the seconds until each was found:"] : []),
    ...bugs.map(bugLine),
    "",
    headline(parts),
    summaryLine({ passed: parts.length - failed, failed, skipped: 0 }),
  ].join("\n");
}

function bugLine({ judge, name, seconds, about }: Bug): string {
  const found = seconds === null ? "NOT FOUND" : `${seconds.toFixed(1)} s`;
  return `  ${judge.padEnd(9)} ${found.padStart(9)}  ${name}: ${about}`;
}

/** What all parts have counted under the same name is one number. */
export function totalsOf(parts: readonly PartResult[]): Record<string, number> {
  const totals: Record<string, number> = {};
  for (const { numbers } of parts)
    for (const [what, count] of Object.entries(numbers)) totals[what] = (totals[what] ?? 0) + count;
  return totals;
}

function sumOf(parts: readonly PartResult[], of: (part: PartResult) => number): number {
  return parts.reduce((sum, part) => sum + of(part), 0);
}

export function headline(parts: readonly PartResult[]): string {
  const totals = totalsOf(parts);
  const wanted = ["seeds", "operations", "crash points", "scenarios", "cuts", "inputs"];
  const counts = wanted.flatMap((what) => {
    const count = totals[what];
    return count === undefined ? [] : [`${count} ${what}`];
  });
  const bugs = parts.flatMap((part) => part.bugs);
  const found = bugs.filter(({ seconds }) => seconds !== null).length;
  const seconds = sumOf(parts, (part) => part.seconds).toFixed(0);
  const violations = sumOf(parts, (part) => part.violations);
  return `${[...counts, `${seconds} s`].join(", ")}: ${violations} violations; ${found} of ${bugs.length} planted bugs found`;
}

function page(parts: readonly PartResult[]): string {
  const scenarios = parts.flatMap((part) => part.scenarios);
  const bugs = parts.flatMap((part) => part.bugs);
  const rows = parts.map(({ name, about, command, seconds, numbers, violations, failure }) => {
    const counts = Object.entries(numbers).map(([what, count]) => `${count} ${what}`);
    const remark = [about, command, failure]
      .filter((each) => each !== "")
      .map(escape)
      .join("<br>");
    return row([name, seconds.toFixed(0), counts.join(", "), violations], remark);
  });
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Aurochs: full run</title>
<style>${STYLE}</style>
<h1>Full run</h1>
<p>${escape(headline(parts))}</p>
${secondsPicture(parts)}
${table("Parts", ["part", "s", "", "violations", ""], rows)}
${bugs.length > 0 ? bugTable(bugs) : ""}
${scenarios.length > 0 ? `<h2>Fault rig</h2>${scenarioPicture(scenarios)}${scenarioTable(scenarios)}` : ""}
</html>
`;
}

/** How long each part took; red: it has failed. */
function secondsPicture(parts: readonly PartResult[]): string {
  const most = Math.max(1, ...parts.map(({ seconds }) => seconds));
  const bars = parts.map(({ name, seconds, failure }, at) => {
    const y = at * BAR.height;
    const width = ((seconds / most) * BAR.width).toFixed(0);
    const colour = failure === "" ? "#2e7d32" : "#c62828";
    return `<text x="${BAR.label - 10}" y="${y + 15}" text-anchor="end">${name}</text>
<rect x="${BAR.label}" y="${y + 2}" width="${width}" height="${BAR.height - 4}" rx="3" fill="${colour}"/>
<text x="${BAR.label + Number(width) + 8}" y="${y + 15}">${seconds.toFixed(0)} s</text>`;
  });
  const [width, height] = [BAR.label + BAR.width + 80, parts.length * BAR.height];
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif" font-size="13">
${bars.join("\n")}
</svg>`;
}

function bugTable(bugs: readonly Bug[]): string {
  const rows = bugs.map(({ judge, name, seconds, about }) =>
    row([judge, name, seconds === null ? "NOT FOUND" : seconds.toFixed(1)], escape(about)),
  );
  return table("Bugs planted on purpose", ["judge", "bug", "s to find", ""], rows);
}
