/**
 * `aurochs.record`: who this replica is, the newest generation it knows, and whether acknowledged writes may be lost.
 * JSON on one line, replaced atomically and durably.
 */
import { join } from "node:path";
import type { Absence, MemberRecord } from "../proto/control.js";
import type { Ballot } from "../proto/ballot.js";
import { readWholeFile, replaceFile } from "./durable-file.js";
import { diskFiles, type Files } from "./files.js";
import { Fields, parseObject } from "./json-fields.js";
import { RECORD_BYTES_MAX } from "./limits.js";
import { ReplicaError } from "./replica-error.js";

export const RECORD_NAME = "aurochs.record";

const FORMAT = 1;
/** With a vote: who does not know of those would take a part of the truth for all of it. */
const VOTER_FORMAT = 2;

const KEYS = ["volume", "replicaId", "member", "bootId", "lostWrites"];

export interface ReplicaRecord {
  /** "": no engine has named it yet */
  volume: string;
  replicaId: string;
  /** null: never had an engine of ours */
  member: MemberRecord | null;
  /** the boot under which written data may be volatile; "" when everything was made durable at the last stop */
  bootId: string;
  /** generation of the last record that named this replica as a member; 0: there was none */
  heldGeneration: number;
  /** acknowledged writes may be lost; stays until copies agree */
  lostWrites: boolean;
  /** the directory is a witness's; absent in a replica's */
  witness?: boolean;
  /** absent: it is no voter */
  vote?: StoredVote;
}

/** Of a witness that several voters are together: `member` and `heldGeneration` are what this one holds of it. */
export interface StoredVote {
  /** ids of all of them, in order */
  voters: string[];
  promised: Ballot;
  accepted: Ballot;
}

/** @returns null when the directory has none
 * @throws {ReplicaError} `DAMAGED`, `UNSUPPORTED` (a newer format), `IO_ERROR` */
export async function readRecord(directory: string): Promise<ReplicaRecord | null> {
  const path = join(directory, RECORD_NAME);
  let text: string;
  try {
    text = await readWholeFile(path, RECORD_BYTES_MAX);
  } catch (error) {
    if (error instanceof ReplicaError && error.code === "MISSING") return null;
    throw error;
  }
  return parseRecord(text, path);
}

export async function writeRecord(
  directory: string,
  record: ReplicaRecord,
  files: Files = diskFiles,
): Promise<void> {
  await replaceFile(join(directory, RECORD_NAME), formatRecord(record), files);
}

export function formatRecord({ member, ...record }: ReplicaRecord): string {
  const engineState = member === null ? null : Buffer.from(member.engineState).toString("base64");
  const stored = member === null ? null : { ...member, engineState };
  const format = record.vote === undefined ? FORMAT : VOTER_FORMAT;
  return `${JSON.stringify({ format, ...record, member: stored })}\n`;
}

/** @throws {ReplicaError} naming `path` */
export function parseRecord(text: string, path: string): ReplicaRecord {
  const fields = new Fields(parseObject(text, path), path);
  const format = fields.count("format");
  if (format !== FORMAT && format !== VOTER_FORMAT)
    throw new ReplicaError(
      "UNSUPPORTED",
      `${path} has format ${format}, expected ${FORMAT} or ${VOTER_FORMAT}`,
    );
  const absent = KEYS.find((key) => !Object.hasOwn(fields.object, key));
  if (absent !== undefined) throw new ReplicaError("DAMAGED", `${path} lacks ${absent}`);
  const member = fields.child("member");
  const record = {
    volume: fields.string("volume"),
    replicaId: fields.string("replicaId"),
    member: member === null ? null : parseMember(new Fields(member, path), path),
    heldGeneration: 0,
    bootId: fields.string("bootId"),
    lostWrites: fields.boolean("lostWrites"),
    ...(Object.hasOwn(fields.object, "witness") ? { witness: fields.boolean("witness") } : {}),
    ...parseVote(fields, path),
  };
  if ((record.volume === "" && record.member !== null) || record.replicaId === "") {
    throw new ReplicaError("DAMAGED", `${path} does not say whose it is`);
  }
  // Records from before there was this field were stored by members only.
  record.heldGeneration = Object.hasOwn(fields.object, "heldGeneration")
    ? fields.count("heldGeneration")
    : (record.member?.generation ?? 0);
  return record;
}

function parseMember(fields: Fields, path: string): MemberRecord {
  const member = {
    generation: fields.count("generation"),
    members: fields.strings("members"),
    engineId: fields.string("engineId"),
    engineBootId: fields.string("engineBootId"),
    engineState: Buffer.from(fields.string("engineState"), "base64"),
    revisionAtLeast: fields.count("revisionAtLeast"),
    absent: Object.hasOwn(fields.object, "absent") ? fields.children("absent").map(parseAbsence) : [],
    witnesses: Object.hasOwn(fields.object, "witnesses") ? fields.strings("witnesses") : [],
    reverting: Object.hasOwn(fields.object, "reverting") ? fields.string("reverting") : "",
    leased: fields.boolean("leased"),
    heldByAll: Object.hasOwn(fields.object, "heldByAll") ? fields.count("heldByAll") : 0,
  };
  if (member.generation === 0 || member.engineId === "" || member.members.length === 0) {
    throw new ReplicaError("DAMAGED", `${path}: member lacks generation, engineId or members`);
  }
  return member;
}

function parseVote(fields: Fields, path: string): { vote?: StoredVote } {
  const object = fields.child("vote");
  if (object === null) return {};
  const vote = new Fields(object, path);
  const ballot = (key: string): Ballot => {
    const ballot = new Fields(vote.child(key) ?? {}, path);
    return { round: ballot.count("round"), proposer: ballot.string("proposer") };
  };
  const voters = vote.strings("voters");
  if (!voters.includes(fields.string("replicaId")))
    throw new ReplicaError("DAMAGED", `${path}: vote is not of ${fields.string("replicaId")}`);
  return { vote: { voters, promised: ballot("promised"), accepted: ballot("accepted") } };
}

function parseAbsence(fields: Fields): Absence {
  return {
    replicaId: fields.string("replicaId"),
    heldAtLeast: fields.count("heldAtLeast"),
    heldAtMost: fields.count("heldAtMost"),
    excludedAt: fields.count("excludedAt"),
  };
}
