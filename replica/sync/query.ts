/** Requests of the file sync protocol: what may be asked, and reading it from a request line. Pure. */

/** As in Longhorn's file sync protocol, and two of ours (see extents.ts). */
export const REQUESTS = {
  open: { method: "GET" },
  getChecksum: { method: "GET" },
  getRecordedMetadata: { method: "GET" },
  writeData: { method: "POST" },
  sendHole: { method: "POST" },
  close: { method: "POST" },
  writeExtents: { method: "POST" },
  checkExtents: { method: "POST" },
} as const;
export type RequestName = keyof typeof REQUESTS;

export const PATH_PREFIX = "/v1-ssync/";

/** Header of ours on a request with data: their CRC32C, 8 hexadecimal digits. Longhorn neither sends it nor looks at it. */
export const CRC_HEADER = "x-aurochs-crc32c";

export function formatCrc(crc: number): string {
  return crc.toString(16).padStart(8, "0");
}

/** bytes, `begin <= end` */
export interface Range {
  begin: number;
  end: number;
}

/** @returns null when there is no such request */
export function parseTarget(target: string): { name: RequestName; query: URLSearchParams } | null {
  const cut = target.indexOf("?");
  const path = cut < 0 ? target : target.slice(0, cut);
  const name = path.startsWith(PATH_PREFIX) ? path.slice(PATH_PREFIX.length) : "";
  if (!Object.hasOwn(REQUESTS, name)) return null;
  return { name: name as RequestName, query: new URLSearchParams(cut < 0 ? "" : target.slice(cut + 1)) };
}

/** The path and query of a request, keys in alphabetical order as Go's clients send them. */
export function formatTarget(name: RequestName, query: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(query).sort(([a], [b]) => (a < b ? -1 : 1));
  const text = new URLSearchParams(pairs).toString();
  return `${PATH_PREFIX}${name}${text === "" ? "" : `?${text}`}`;
}

/** @throws {RangeError} */
export function parseRange(query: URLSearchParams): Range {
  const begin = integer(query, "begin");
  const end = integer(query, "end");
  if (end < begin) throw new RangeError(`end ${end} is before begin ${begin}`);
  return { begin, end };
}

function integer(query: URLSearchParams, key: string): number {
  const text = query.get(key) ?? "";
  if (text === "") throw new RangeError("queryParams begin or end does not exist");
  const value = /^\+?\d{1,19}$/.test(text) ? Number(text) : NaN;
  if (!Number.isSafeInteger(value))
    throw new RangeError(`failed to parse ${key} ${JSON.stringify(text.slice(0, 32))}`);
  return value;
}

const BOOLEANS: Readonly<Record<string, boolean>> = {
  ...{ "1": true, t: true, T: true, true: true, TRUE: true, True: true },
  ...{ "0": false, f: false, F: false, false: false, FALSE: false, False: false },
};

/** @throws {RangeError} */
export function parseDirectIo(query: URLSearchParams): boolean {
  const text = query.get("directIO") ?? "";
  const value = Object.hasOwn(BOOLEANS, text) ? BOOLEANS[text] : undefined;
  if (value === undefined)
    throw new RangeError(`failed to parse directIO ${JSON.stringify(text.slice(0, 32))}`);
  return value;
}
