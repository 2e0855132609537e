/** Who a replica is: from its record, or, for a directory that never had one, from what the operator says. */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { isThere } from "./durable-file.js";
import { readRecord, RECORD_NAME, type ReplicaRecord } from "./member-record.js";
import { ReplicaError } from "./replica-error.js";

export const REGION_MAP_NAME = "aurochs.regions";
export const ZERO_MAP_NAME = "aurochs.zeros";

export interface Identity {
  /** null: as recorded */
  volume: string | null;
  /** null: as recorded, or a new one */
  replicaId: string | null;
  /** a directory without a record may be any volume's: the first engine that records itself names it, as with Longhorn,
   * whose replicas need not be told */
  anyVolume?: true;
}

/** The record, or the beginning of one (not yet written) for a new volume and for a directory that comes from Longhorn.
 * @throws {ReplicaError} `FOREIGN` (another volume's or replica's), `MISSING` (no record, no name given), `DAMAGED` */
export async function identify(directory: string, given: Identity): Promise<ReplicaRecord> {
  const record = await readRecord(directory);
  if (record === null) return begin(directory, given);
  if (record.witness === true)
    throw new ReplicaError("FOREIGN", `${directory} is a witness's: it takes no data`);
  if (given.volume !== null && record.volume !== "" && given.volume !== record.volume) {
    throw new ReplicaError("FOREIGN", `${directory} belongs to volume ${record.volume}, not ${given.volume}`);
  }
  if (given.replicaId !== null && given.replicaId !== record.replicaId) {
    throw new ReplicaError("FOREIGN", `${directory} is replica ${record.replicaId}, not ${given.replicaId}`);
  }
  return record.volume === "" && given.volume !== null ? { ...record, volume: given.volume } : record;
}

async function begin(directory: string, given: Identity): Promise<ReplicaRecord> {
  // The map is only made by a daemon that had a record: without it, nobody knows which engine may write.
  if (await isThere(join(directory, REGION_MAP_NAME))) {
    throw new ReplicaError(
      "DAMAGED",
      `${join(directory, RECORD_NAME)} is missing, but ${REGION_MAP_NAME} is there`,
    );
  }
  const volume = given.volume ?? (given.anyVolume === true ? "" : null);
  if (volume === null) {
    throw new ReplicaError(
      "MISSING",
      `${directory} does not say which volume it belongs to: a volume name is needed`,
    );
  }
  return {
    volume,
    replicaId: given.replicaId ?? randomUUID(),
    member: null,
    heldGeneration: 0,
    bootId: "",
    lostWrites: false,
  };
}
