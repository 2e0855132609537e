/** The report as a page of its own: a picture of scenarios and promises, and everything that was seen. */
import { PROMISES, type PromiseName } from "../scenario.js";
import type { Judgement, Result } from "../judge.js";
import { summary, type Find } from "./text.js";

const NAMES = Object.keys(PROMISES) as PromiseName[];
const COLOUR: Record<Judgement["type"], string> = { kept: "#2e7d32", broken: "#c62828", open: "#cfd8dc" };

/** px */
const LABEL = 260;
const CELL = { width: 84, height: 20 };
const HEAD = 40;

export const STYLE = `
  body { font: 14px/1.4 sans-serif; margin: 2em; color: #263238 }
  table { border-collapse: collapse } td, th { padding: 2px 10px; text-align: left; vertical-align: top }
  tr:nth-child(even) { background: #f5f7f8 } pre { white-space: pre-wrap }
`;

/** @param finds bugs that were planted */
export function page(results: readonly Result[], finds: readonly Find[]): string {
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Aurochs: fault rig</title>
<style>${STYLE}</style>
<h1>Fault rig</h1>
<pre>${escape(summary(results))}</pre>
${results.length > 0 ? scenarioPicture(results) + scenarioTable(results) : ""}
${finds.length > 0 ? findTable(finds) : ""}
</html>
`;
}

/** Scenario by promise: kept, broken, not promised; all rounds of a scenario in one row. */
export function scenarioPicture(results: readonly Result[]): string {
  const scenarios = [...new Set(results.map(({ scenario }) => scenario))];
  const width = LABEL + NAMES.length * CELL.width;
  const height = HEAD + scenarios.length * CELL.height;
  const heads = NAMES.map((name, column) => {
    const x = LABEL + column * CELL.width + CELL.width / 2;
    return `<text x="${x}" y="${HEAD - 12}" text-anchor="middle">${name}</text>`;
  });
  const rows = scenarios.map((scenario, row) => {
    const rounds = results.filter((result) => result.scenario === scenario);
    const y = HEAD + row * CELL.height;
    const cells = NAMES.map((name, column) => {
      const worst = worstOf(rounds.map(({ promises }) => promises[name].type));
      const x = LABEL + column * CELL.width;
      const title = `${scenario}: ${PROMISES[name]}: ${worst === "open" ? "not judged" : worst}`;
      return `<rect x="${x + 1}" y="${y + 1}" width="${CELL.width - 2}" height="${CELL.height - 2}" rx="3" fill="${COLOUR[worst]}"><title>${escape(title)}</title></rect>`;
    });
    return `<text x="${LABEL - 10}" y="${y + 14}" text-anchor="end">${scenario}</text>${cells.join("")}`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif" font-size="13">
${[...heads, ...rows].join("\n")}
</svg>
<p>Green: kept. Red: broken. Grey: not promised there, or nothing to judge it by.</p>
`;
}

function worstOf(types: readonly Judgement["type"][]): Judgement["type"] {
  if (types.includes("broken")) return "broken";
  return types.includes("kept") ? "kept" : "open";
}

export function scenarioTable(results: readonly Result[]): string {
  const rows = results.map(({ scenario, about, seed, seconds, counts, promises, notes }) => {
    const { reads, writes, unmaps, flushes, errors, lost } = counts;
    const seen = Object.entries(promises).flatMap(([name, judged]) =>
      judged.type === "broken" ? [`${name}: ${judged.seen.join("; ")}`] : [],
    );
    const remark = [about, ...notes, ...seen].map(escape).join("<br>");
    return row([scenario, seed, seconds.toFixed(1), reads, writes, unmaps, flushes, errors, lost], remark);
  });
  const heads = ["scenario", "seed", "s", "reads", "writes", "unmaps", "flushes", "errors", "unanswered", ""];
  return table("Scenarios", heads, rows);
}

function findTable(finds: readonly Find[]): string {
  const rows = finds.map(({ bug, about, scenario, rounds, seconds, found }) =>
    row([bug, scenario, rounds, seconds.toFixed(1)], `${escape(about)}<br>${escape(found ?? "NOT FOUND")}`),
  );
  return table("Bugs planted on purpose", ["bug", "scenario", "rounds", "s to find", ""], rows);
}

export function table(title: string, heads: readonly string[], rows: readonly string[]): string {
  const head = heads.map((each) => `<th>${each}</th>`).join("");
  return `<h2>${title}</h2>\n<table><tr>${head}</tr>\n${rows.join("\n")}\n</table>\n`;
}

/** @param remark HTML */
export function row(cells: readonly (string | number)[], remark: string): string {
  return `<tr>${cells.map((cell) => `<td>${escape(String(cell))}</td>`).join("")}<td>${remark}</td></tr>`;
}

export function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
