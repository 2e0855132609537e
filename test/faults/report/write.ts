/** The report as files. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Result } from "../judge.js";
import { page } from "./html.js";
import { findLine, line, summary, totals, type Find } from "./text.js";

/** @param folder is there */
export function writeReport(folder: string, results: readonly Result[], finds: readonly Find[]): void {
  const lines = [
    ...results.map(line),
    ...finds.map(findLine),
    ...(results.length > 0 ? [summary(results)] : []),
  ];
  writeFileSync(join(folder, "report.txt"), `${lines.join("\n")}\n`);
  writeFileSync(join(folder, "report.html"), page(results, finds));
  writeFileSync(
    join(folder, "report.json"),
    JSON.stringify({ totals: totals(results), results, finds }, null, 2),
  );
}
