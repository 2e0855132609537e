/** `X.img.checksum`: what a data file's content was when it had a certain ctime (Longhorn's keys). A file whose ctime is
 * another one has been changed since, and its checksum says nothing. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { CHECKSUM_SUFFIX } from "./disk-meta.js";
import { bareNameOf } from "./disk-names.js";
import { readWholeFile, replaceFile } from "./durable-file.js";
import { Fields, parseObject } from "./json-fields.js";
import { CHECKSUM_FILE_BYTES_MAX } from "./limits.js";
import { ReplicaError } from "./replica-error.js";

export interface RecordedChecksum {
  method: string;
  /** hexadecimal */
  checksum: string;
  /** `2026-01-02 03:04:05.123456789 +0000 UTC` */
  changeTime: string;
  /** RFC 3339, seconds, UTC; "" when it came from another replica */
  lastHashedAt: string;
  silentlyCorrupted: boolean;
}

export const METHOD_CRC64 = "crc64";

export function checksumFile(dataFile: string): string {
  return dataFile + CHECKSUM_SUFFIX;
}

/** @param ns since 1970
 * @returns as Go prints a time: without the zeros at the end of the fraction */
export function formatChangeTime(ns: bigint): string {
  const seconds = new Date(Number(ns / 1_000_000_000n) * 1_000).toISOString().slice(0, 19).replace("T", " ");
  const fraction = String(ns % 1_000_000_000n)
    .padStart(9, "0")
    .replace(/0+$/, "");
  return `${seconds}${fraction === "" ? "" : `.${fraction}`} +0000 UTC`;
}

/** @throws when the file cannot be looked at */
export async function changeTimeOf(path: string): Promise<string> {
  return formatChangeTime((await stat(path, { bigint: true })).ctimeNs);
}

/** @throws {ReplicaError} `DAMAGED` */
export function parseChecksumFile(text: string, path: string): RecordedChecksum {
  const fields = new Fields(parseObject(text, path), path);
  return {
    method: fields.string("method"),
    checksum: fields.string("checksum"),
    changeTime: fields.string("change_time"),
    lastHashedAt: fields.string("last_hashed_at"),
    silentlyCorrupted: fields.boolean("silently_corrupted"),
  };
}

export function formatChecksumFile(recorded: RecordedChecksum): string {
  const keys = {
    method: recorded.method,
    checksum: recorded.checksum,
    change_time: recorded.changeTime,
    last_hashed_at: recorded.lastHashedAt,
    silently_corrupted: recorded.silentlyCorrupted,
  };
  return `${JSON.stringify(keys)}\n`;
}

/** @param path of the data file
 * @returns null when there is none, or none that can be read: it only saves work */
export async function readRecordedChecksum(path: string): Promise<RecordedChecksum | null> {
  const from = checksumFile(path);
  try {
    return parseChecksumFile(await readWholeFile(from, CHECKSUM_FILE_BYTES_MAX), from);
  } catch (error) {
    if (error instanceof ReplicaError && (error.code === "MISSING" || error.code === "DAMAGED")) return null;
    throw error;
  }
}

/** @param path of the data file
 * @returns what is recorded of its present content, null when nothing is, or when the content is known to have rotted */
export async function currentChecksum(path: string): Promise<RecordedChecksum | null> {
  const recorded = await readRecordedChecksum(path);
  if (recorded === null || recorded.silentlyCorrupted || recorded.method === "" || recorded.checksum === "")
    return null;
  return recorded.changeTime === (await changeTimeOf(path)) ? recorded : null;
}

/** Hashing has found that it has rotted, and it has not been written since. @param path of the data file */
export async function hasRotted(path: string): Promise<boolean> {
  const recorded = await readRecordedChecksum(path);
  return recorded?.silentlyCorrupted === true && recorded.changeTime === (await changeTimeOf(path));
}

/** For what spreads a file, or takes its checksum from it: written to, and freed in, a file has none any more, and nobody could tell
 * then that it had rotted.
 * @throws {ReplicaError} `REFUSED` when one of them has, with what is to be done */
export async function refuseRotten(directory: string, files: readonly string[]): Promise<void> {
  for (const file of files)
    if (await hasRotted(join(directory, file)))
      throw new ReplicaError(
        "REFUSED",
        `snapshot ${bareNameOf(file)} has rotted on this replica: rebuild it from another one (remove it and add it again), or remove ${checksumFile(file)} if the snapshot is to be taken as it is`,
      );
}

/** @param path of the data file */
export async function writeRecordedChecksum(path: string, recorded: RecordedChecksum): Promise<void> {
  await replaceFile(checksumFile(path), formatChecksumFile(recorded));
}
