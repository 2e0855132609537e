/** Numbers of bytes: as objects have them, and for people. */

/** @throws {RangeError} the text is no number, or one that a double cannot hold exactly */
export function bytesOf(digits: string): number {
  const value = Number(digits);
  if (digits === "" || !Number.isSafeInteger(value)) throw new RangeError(`${digits} is no number of bytes`);
  return value;
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${Number.isInteger(value) ? value : value.toFixed(1)} ${UNITS[unit] ?? ""}`;
}
