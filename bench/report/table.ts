/** The report for a terminal. */
import { alignColumns, figure, mebibytes, spread } from "./format.js";
import type { Report, Row } from "./report.js";

const HEADER = [
  "",
  "IOPS (min-max)",
  "MB/s",
  "mean us",
  "p50",
  "p99",
  "p99.9",
  "CPU us/op",
  "elsewhere",
  "ratio",
];

function rowsOf({ label, floor, cells }: Row): string[][] {
  const lines = cells.map((cell) => [
    `  ${cell.target}`,
    spread(cell.iops),
    figure(cell.megabytesPerSecond.median),
    figure(cell.meanUs.median),
    figure(cell.p50Us.median),
    figure(cell.p99Us.median),
    figure(cell.p999Us.median),
    cell.cpuUsTotal === undefined ? "-" : figure(cell.cpuUsTotal.median),
    cell.otherCores?.median.toFixed(2) ?? "-",
    cell.ratio === undefined ? "-" : spread(cell.ratio),
  ]);
  return [[floor === undefined ? label : `${label} (floor ${floor})`], ...lines];
}

function cpuTable({ rows }: Report): string {
  const lines: string[] = [];
  for (const { label, cells } of rows) {
    for (const { target, cpuUs } of cells) {
      const parts = Object.entries(cpuUs).map(([name, us]) => `${name} ${figure(us)}`);
      if (parts.length > 1) lines.push(`  ${label}, ${target}: ${parts.join(", ")}\n`);
    }
  }
  return lines.length === 0 ? "" : `\nCPU microseconds per operation by process\n${lines.join("")}`;
}

function memoryTable({ targets }: Report): string {
  const lines = [["private memory, MiB", "idle", "after load"]];
  for (const { name, memory } of targets) {
    for (const [process, idle] of Object.entries(memory?.idle ?? {})) {
      lines.push([`  ${name} ${process}`, mebibytes(idle), mebibytes(memory?.loaded[process] ?? 0)]);
    }
  }
  return lines.length === 1 ? "" : `\n${alignColumns(lines)}`;
}

/** @returns lines that end in a newline */
export function renderTable(report: Report): string {
  const { machine, run, peer } = report;
  const about =
    `${machine.processors} x ${machine.model}, Linux ${machine.kernel}, Node ${machine.node}; ` +
    `${run.fresh ? "fresh" : "prefilled"} volumes of ${run.sizeBytes / 2 ** 20} MiB, ` +
    `medians of ${run.rounds} interleaved rounds of ${run.seconds} s` +
    (peer === undefined ? "" : `, ratios to ${peer}`);
  const grid = alignColumns([HEADER, ...report.rows.flatMap(rowsOf)]);
  return `${about}\n\n${grid}${cpuTable(report)}${memoryTable(report)}`;
}
