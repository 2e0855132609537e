/** Names of data files: `volume-head-NNN.img`, `volume-snap-NAME.img`. */

/** A name is used as a path inside the directory: nothing else may be reached through it. */
export const DATA_FILE_NAME = /^volume-[^/\0]*\.img$/;

export const HEAD_NAME = /^volume-head-(\d{3,})\.img$/;

const SNAPSHOT_NAME = /^volume-snap-([^/\0]+)\.img$/;

/** Bytes of a snapshot's name: with prefix, suffixes and `.tmp` a file's name has at most 255. */
const SNAPSHOT_NAME_BYTES_MAX = 200;

export function headName(number: number): string {
  return `volume-head-${String(number).padStart(3, "0")}.img`;
}

/** @returns null when it is no head's name */
export function headNumber(file: string): number | null {
  const match = HEAD_NAME.exec(file);
  return match === null ? null : Number(match[1]);
}

/** @param name the bare name of a snapshot */
export function snapshotFile(name: string): string {
  return `volume-snap-${name}.img`;
}

/** @returns the bare name, null when it is no snapshot's file */
export function snapshotName(file: string): string | null {
  return SNAPSHOT_NAME.exec(file)?.[1] ?? null;
}

/** @returns the bare name of a snapshot's file, of another file its name */
export function bareNameOf(file: string): string {
  return snapshotName(file) ?? file;
}

/** May a snapshot have this bare name? Not that by which Longhorn's clients list the head. */
export function isSnapshotName(name: string): boolean {
  if (name === "volume-head") return false;
  return Buffer.byteLength(name) <= SNAPSHOT_NAME_BYTES_MAX && SNAPSHOT_NAME.test(snapshotFile(name));
}
