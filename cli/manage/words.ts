/** Sizes, times and lists as people read them. Pure. */
import { formatBytes } from "../../manager/objects/bytes.js";

/** @param digits bytes; "" or "0" when there are none */
export function size(digits: string | number): string {
  return formatBytes(Number(digits) || 0);
}

/** @param text RFC 3339, or as Go writes it ("2006-01-02 15:04:05 +0000 UTC"), of which volumes have one
 * @returns ms since the epoch, null when it is no time */
export function timeOf(text: string): number | null {
  const ms = Date.parse(text.replace(/^(\S+) (\S+) \+0000 UTC$/, "$1T$2Z"));
  return Number.isNaN(ms) ? null : ms;
}

const UNITS: readonly (readonly [unit: string, ms: number])[] = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1_000],
];

/** "3d", "2h", "5m", "8s": in the largest unit that it has two of, so that little is lost. */
export function duration(ms: number): string {
  const [unit, per] = UNITS.find(([, length]) => ms >= 2 * length) ?? ["s", 1_000];
  return `${Math.max(0, Math.floor(ms / per))}${unit}`;
}

/** How long ago; "" when it is no time. */
export function age(text: string, now: number): string {
  const time = timeOf(text);
  return time === null ? "" : duration(now - time);
}

/** "2026-01-01 00:00:00 UTC (3h ago)" */
export function moment(text: string, now: number): string {
  const time = timeOf(text);
  if (time === null) return text;
  return `${new Date(time).toISOString().slice(0, 19).replace("T", " ")} UTC (${duration(now - time)} ago)`;
}

/** "a", "a and b", "a, b and c" */
export function list(names: readonly string[], or: "and" | "or" = "and"): string {
  if (names.length < 2) return names.join("");
  return `${names.slice(0, -1).join(", ")} ${or} ${names.at(-1) ?? ""}`;
}

/** "1 copy", "2 copies" */
export function count(n: number, one: string, many = `${one}s`): string {
  return `${n} ${n === 1 ? one : many}`;
}
