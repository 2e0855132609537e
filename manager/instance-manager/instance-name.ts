/** What Longhorn's names of instances tell. Pure. */

/** @returns the volume of an engine that is named `VOLUME-e-SUFFIX`; null for other names */
export function engineVolumeOf(name: string): string | null {
  return /^(.+)-e-[^-]+$/.exec(name)?.[1] ?? null;
}
