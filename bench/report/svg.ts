/** Bars of the ratios to the peer, one group for each pattern, with whiskers from the worst round to the best. */
import { figure } from "./format.js";
import type { Cell, Report } from "./report.js";

const COLORS = ["#2463a8", "#d0762b", "#3f8f4f", "#8a4fa0", "#777777"];
const BAR = 16;
const GROUP_GAP = 14;
const LEFT = 270;
const PLOT = 520;
const RIGHT = 130;
const TOP = 78;
const BOTTOM = 36;
// Keeps a label readable on a grid line.
const HALO = 'stroke="#fff" stroke-width="3" paint-order="stroke"';

export function escapeXml(text: string): string {
  return text.replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);
}

/** A step of 1, 2 or 5 times a power of ten that gives at most `ticks` steps up to `end`. */
function niceStep(end: number, ticks: number): number {
  const power = 10 ** Math.floor(Math.log10(end / ticks));
  return power * ([1, 2, 5, 10].find((factor) => end / (power * factor) <= ticks) ?? 10);
}

const text = (x: number, y: number, content: string, attributes = ""): string =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${attributes}>${escapeXml(content)}</text>`;

const line = (x1: number, y1: number, x2: number, y2: number, attributes: string): string =>
  `<line x1="${x1.toFixed(1)}" y1="${y1.toFixed(1)}" x2="${x2.toFixed(1)}" y2="${y2.toFixed(1)}" ${attributes}/>`;

/** @throws {RangeError} when there is no peer to compare with */
export function renderSvg({ machine, run, targets, peer, rows }: Report): string {
  if (peer === undefined) throw new RangeError("a plot of ratios needs two targets");
  const compared = targets.filter(({ name }) => name !== peer);
  const groups = rows.map(({ label, floor, cells }) => ({
    label,
    floor,
    cells: cells.filter(
      (cell): cell is Cell & { ratio: NonNullable<Cell["ratio"]> } => cell.ratio !== undefined,
    ),
  }));
  // Room for the labels beside the longest bar; one wild round must not squeeze all bars, so whiskers may be cut.
  const longest = Math.max(1, ...groups.flatMap(({ cells }) => cells.map(({ ratio }) => ratio.median)));
  const step = niceStep(longest * 1.2, 8);
  const ticks = Math.ceil((longest * 1.2) / step);
  const end = step * ticks;
  const x = (ratio: number): number => LEFT + (PLOT * Math.min(ratio, end)) / end;
  const groupHeight = compared.length * BAR + GROUP_GAP;
  const width = LEFT + PLOT + RIGHT;
  const height = TOP + groups.length * groupHeight + BOTTOM;
  const bottom = height - BOTTOM;
  const parts: string[] = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" ` +
      `font-family="sans-serif" font-size="12" fill="#222">`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    text(16, 24, `Operations per second, relative to ${peer}`, 'font-size="16" font-weight="bold"'),
    text(
      16,
      42,
      `${machine.processors} x ${machine.model}; ${run.fresh ? "fresh" : "prefilled"} volumes of ` +
        `${run.sizeBytes / 2 ** 20} MiB; medians of ${run.rounds} rounds, whiskers from worst to best`,
      'fill="#666"',
    ),
  ];
  compared.forEach(({ label }, index) => {
    const left = 16 + index * 270;
    parts.push(
      `<rect x="${left}" y="54" width="12" height="12" fill="${COLORS[index % COLORS.length] ?? ""}"/>`,
    );
    parts.push(text(left + 18, 64, label));
  });
  for (let tick = 0; tick <= ticks; ++tick) {
    const at = x(tick * step);
    parts.push(line(at, TOP - 4, at, bottom, 'stroke="#ddd"'));
    parts.push(
      text(at, bottom + 16, String(Number((tick * step).toFixed(3))), 'text-anchor="middle" fill="#666"'),
    );
  }
  parts.push(line(x(1), TOP - 4, x(1), bottom, 'stroke="#222" stroke-width="1.5"'));
  groups.forEach(({ label, floor, cells }, group) => {
    const top = TOP + group * groupHeight + GROUP_GAP / 2;
    const barsHeight = compared.length * BAR;
    parts.push(text(LEFT - 10, top + barsHeight / 2 + 4, label, 'text-anchor="end"'));
    cells.forEach(({ target, ratio }, index) => {
      const y = top + index * BAR;
      const middle = y + BAR / 2 - 1;
      const color = COLORS[compared.findIndex(({ name }) => name === target) % COLORS.length] ?? "";
      parts.push(
        `<rect x="${LEFT}" y="${y}" width="${(x(ratio.median) - LEFT).toFixed(1)}" height="${BAR - 2}" fill="${color}"/>`,
      );
      parts.push(line(x(ratio.min), middle, x(ratio.max), middle, 'stroke="#222"'));
      parts.push(
        text(Math.max(x(ratio.median), x(ratio.max)) + 6, middle + 4, `${figure(ratio.median)} x`, HALO),
      );
      if (floor !== undefined && target === "ours") {
        parts.push(line(x(floor), y - 2, x(floor), y + BAR, 'stroke="#c00" stroke-width="2"'));
      }
    });
  });
  if (groups.some(({ floor }) => floor !== undefined)) {
    parts.push(line(width - 120, 60, width - 106, 60, 'stroke="#c00" stroke-width="2"'));
    parts.push(text(width - 100, 64, "floor", 'fill="#666"'));
  }
  return `${parts.join("\n")}\n</svg>\n`;
}
