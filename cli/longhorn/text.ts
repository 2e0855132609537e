/** What the commands print, byte for byte as Go does. Pure. */

export type Json = string | number | boolean | null | Json[] | Map<string, Json> | { [key: string]: Json };

/** As Go's encoding/json: the characters of HTML escaped; a Map (Go's map) with sorted keys, an object in its own order.
 * @param indent "\t" for one line per value, "" for one line */
export function goJson(value: Json, indent: "\t" | "", depth = 0): string {
  if (Array.isArray(value))
    return block(
      "[",
      value.map((one) => goJson(one, indent, depth + 1)),
      "]",
      indent,
      depth,
    );
  if (value === null || typeof value !== "object") return scalar(value);
  const entries =
    value instanceof Map ? [...value].sort(([a], [b]) => (a < b ? -1 : 1)) : Object.entries(value);
  const separator = indent === "" ? ":" : ": ";
  const members = entries.map(([key, one]) => scalar(key) + separator + goJson(one, indent, depth + 1));
  return block("{", members, "}", indent, depth);
}

function block(open: string, items: string[], close: string, indent: string, depth: number): string {
  if (items.length === 0) return open + close;
  if (indent === "") return open + items.join(",") + close;
  const line = `\n${indent.repeat(depth + 1)}`;
  return `${open}${line}${items.join(`,${line}`)}\n${indent.repeat(depth)}${close}`;
}

function scalar(value: string | number | boolean | null): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Columns as wide as their widest cell and a space; the last one as it is. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map(
    (_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)) + 1,
  );
  return rows
    .map(
      (row) =>
        row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i] ?? 0))).join("") + "\n",
    )
    .join("");
}

/** One line of log, as logrus prints it where there is no terminal. */
export function logLine(level: string, message: string, fields: Record<string, string> = {}): string {
  const pairs = Object.entries({
    time: `${new Date().toISOString().slice(0, 19)}Z`,
    level,
    msg: message,
    ...fields,
  });
  return `${pairs.map(([key, value]) => `${key}=${quoted(key, value)}`).join(" ")}\n`;
}

function quoted(key: string, value: string): string {
  const plain = key !== "time" && value !== "" && /^[a-zA-Z0-9\-._/@^+]*$/.test(value);
  return plain ? value : JSON.stringify(value);
}
