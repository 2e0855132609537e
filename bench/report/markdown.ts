/** The report's core as a Markdown table, for the README. */
import { figure, spread } from "./format.js";
import type { Cell, Report } from "./report.js";

function cellText({ iops, megabytesPerSecond }: Cell, block: string): string {
  return block.startsWith("4 KiB")
    ? `${figure(iops.median)} IOPS`
    : `${figure(megabytesPerSecond.median)} MB/s`;
}

/** @returns lines that end in a newline */
export function renderMarkdown({ targets, peer, rows }: Report): string {
  const compared = targets.filter(({ name }) => peer !== undefined && name !== peer);
  const floors = rows.some(({ floor }) => floor !== undefined);
  const header = [
    "pattern",
    ...targets.map(({ name }) => name),
    ...compared.map(({ name }) => `${name} / ${peer ?? ""} (min-max)`),
    ...(floors ? ["floor"] : []),
    ...targets.map(({ name }) => `CPU us/op ${name}`),
  ];
  const lines = rows.map(({ label, floor, cells }) => [
    label,
    ...cells.map((cell) => cellText(cell, label)),
    ...cells.flatMap(({ ratio }) => (ratio === undefined ? [] : [spread(ratio)])),
    ...(floors ? [floor === undefined ? "" : String(floor)] : []),
    ...cells.map(({ cpuUsTotal }) => (cpuUsTotal === undefined ? "" : figure(cpuUsTotal.median))),
  ]);
  const rule = header.map((_, column) => (column === 0 ? "---" : "---:"));
  return [header, rule, ...lines].map((line) => `| ${line.join(" | ")} |\n`).join("");
}
