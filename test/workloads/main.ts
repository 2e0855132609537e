/**
 * The matrix of power cuts: databases by file systems by whose power is cut. Started by `test/workloads/run`, which keeps all of
 * it in namespaces of its own.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readArguments } from "../tools/command-line.js";
import { summaryLine } from "../runner/count.js";
import { SCOPES, runCell, type Cell, type CellResult } from "./cell.js";
import { DATABASES } from "./database.js";
import { FILE_SYSTEMS } from "./file-system.js";
import { textReport } from "./report.js";

const USAGE = `usage: test/workloads/run [--cuts N] [--seed S] [--db NAME] [--fs ext4|xfs] [--scope one|all|processes]
                         [--report DIR] [--without-flush]
Cuts the power under databases on a volume, N times in each cell of the matrix, and looks at what is there afterwards.
  --db     ${DATABASES.join(", ")}; sqlite: both of that
  --scope  one node, all nodes, or processes alone (killed and stopped, no power cut); absent: one and all
  --without-flush  the negative control: replicas do not make anything durable, and each cell has to notice`;

const DEFAULT_CUTS = "10";
const PROGRESS_CUTS = 10;

async function main(): Promise<number> {
  const { values } = readArguments(USAGE, {
    options: {
      cuts: { type: "string", default: DEFAULT_CUTS },
      seed: { type: "string", default: String(Date.now() % 2 ** 31) },
      db: { type: "string", default: "" },
      fs: { type: "string", default: "" },
      scope: { type: "string", default: "" },
      report: { type: "string" },
      "without-flush": { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const cells = cellsOf(values.db, values.fs, values.scope);
  const cuts = Number(values.cuts);
  const seed = Number(values.seed);
  if (cells.length === 0 || !(cuts > 0) || !Number.isInteger(seed)) {
    console.error(USAGE);
    return 2;
  }
  const withoutFlush = values["without-flush"];

  console.log(`seed ${seed}, ${cuts} cuts in each of ${cells.length} cells`);
  const results: CellResult[] = [];
  for (const [index, cell] of cells.entries()) {
    const result = await runCell(cell, cuts, seed + index, withoutFlush, tellProgress);
    results.push(result);
    console.log(textReport([result]).split("\n")[1]);
    if (values.report !== undefined) writeReport(values.report, results);
  }
  console.log(textReport(results));
  const found = results.filter(({ failure }) => failure !== "").length;
  // A control that finds nothing has failed.
  const failed = withoutFlush ? results.length - found : found;
  console.log(summaryLine({ passed: results.length - failed, failed, skipped: 0 }));
  return failed > 0 ? 1 : 0;
}

function tellProgress({ database, fileSystem, scope, cuts }: Readonly<CellResult>): void {
  if (cuts % PROGRESS_CUTS === 0) console.log(`  ${database} ${fileSystem} ${scope}: ${cuts} cuts survived`);
}

function cellsOf(db: string, fs: string, scope: string): Cell[] {
  const wanted = <T extends string>(all: readonly T[], name: string): T[] =>
    all.filter((one) => one === name || one.startsWith(`${name}-`) || name === "");
  const scopes = scope === "" ? SCOPES.filter((one) => one !== "processes") : wanted(SCOPES, scope);
  return wanted(DATABASES, db).flatMap((database) =>
    wanted(FILE_SYSTEMS, fs).flatMap((fileSystem) =>
      scopes.map((each) => ({ database, fileSystem, scope: each })),
    ),
  );
}

function writeReport(directory: string, results: CellResult[]): void {
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, "workloads.json"), `${JSON.stringify(results, null, 2)}\n`);
  writeFileSync(join(directory, "workloads.txt"), `${textReport(results)}\n`);
}

// The first process of a namespace ends by a signal only when it asks for it; all others end with it.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));
process.exit(await main());
