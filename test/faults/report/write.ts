/** The report as files. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Result } from "../judge.js";
import { line, summary, totals } from "./text.js";

/** @param folder is there */
export function writeReport(folder: string, results: readonly Result[]): void {
  writeFileSync(join(folder, "report.txt"), `${[...results.map(line), summary(results)].join("\n")}\n`);
  writeFileSync(join(folder, "report.json"), JSON.stringify({ totals: totals(results), results }, null, 2));
}
