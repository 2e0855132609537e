/** Who may do what to a replica: pure decisions over its durable record. ARCHITECTURE.md "generation and membership". */
import {
  ENGINE_STATE_BYTES_MAX,
  type EngineRequest,
  type MemberRecord,
  type OpeningRequest,
  type RecordRequest,
} from "../proto/control.js";
import { PROTOCOL_VERSION } from "../proto/dataplane.js";
import type { Hello, StatusName } from "../native/index.js";
import { isSameBoot } from "./boot-id.js";
import { MEMBERS_MAX, NAME_LENGTH_MAX } from "./limits.js";

/** The replica as it is now. */
export interface Standing {
  /** "": the first record names it */
  volume: string;
  replicaId: string;
  member: MemberRecord | null;
  /** why this copy is not whole, "" when it is */
  unfit: string;
  /** acknowledged writes may be lost */
  lostWrites: boolean;
  /** another one each time that the directory is opened */
  opening: string;
}

type Recorded = Pick<Standing, "member">;

export type HelloDecision = { accept: true } | { accept: false; status: StatusName; message: string };

/** May this engine read and write? Only the engine that is recorded, under the generation that is recorded. */
export function decideHello(standing: Standing, protocolVersion: number, hello: Hello): HelloDecision {
  const reject = (status: StatusName, message: string): HelloDecision => ({ accept: false, status, message });
  const { member } = standing;
  if (protocolVersion !== PROTOCOL_VERSION) {
    return reject(
      "INVALID",
      `protocol version ${protocolVersion} is not spoken here, version ${PROTOCOL_VERSION} is`,
    );
  }
  const stranger = identityError(standing, hello);
  if (stranger !== null) return reject("NOT_OPEN", stranger);
  if (member === null) return reject("FENCED", "no engine is recorded here yet");
  if (hello.generation !== member.generation) {
    return reject("FENCED", `generation ${member.generation} is recorded here, not ${hello.generation}`);
  }
  if (hello.engineId !== member.engineId) {
    return reject("FENCED", `engine ${member.engineId} is recorded for generation ${member.generation}`);
  }
  return { accept: true };
}

/** May an engine that speaks Longhorn's data protocol, and so names nobody, read and write? Not where an engine of ours is
 * recorded: what it wrote behind the record's back would make another member a stale copy that nobody can tell. */
export function decideDataconn({ member }: Standing): HelloDecision {
  if (member === null) return { accept: true };
  const message = `engine ${member.engineId} is recorded here for generation ${member.generation}: Longhorn's data protocol names no engine`;
  return { accept: false, status: "FENCED", message };
}

export type ControlDecision =
  | { accept: true }
  | { accept: false; code: "FAILED_PRECONDITION" | "INVALID_ARGUMENT" | "ABORTED"; message: string };

const ACCEPT: ControlDecision = { accept: true };

function refuse(message: string): ControlDecision {
  return { accept: false, code: "FAILED_PRECONDITION", message };
}

function aborted(message: string): ControlDecision {
  return { accept: false, code: "ABORTED", message };
}

function invalid(message: string): ControlDecision {
  return { accept: false, code: "INVALID_ARGUMENT", message };
}

/** May this record replace the present one? Only with a higher generation, or by the same engine with the same members. */
export function decideRecord(standing: Standing, request: RecordRequest): ControlDecision {
  const { record } = request;
  if (record === null) return invalid("the record is missing");
  if (!isName(request.volume)) return invalid(`a volume's name has 1 to ${NAME_LENGTH_MAX} characters`);
  const stranger = identityError(standing, request);
  if (stranger !== null) return aborted(stranger);
  const malformed = recordError(record);
  if (malformed !== null) return invalid(malformed);
  if (standing.unfit !== "" && record.members.includes(standing.replicaId)) {
    return aborted(`replica ${standing.replicaId} cannot be a member: ${standing.unfit}`);
  }
  if (record.members.includes(standing.replicaId) && hasLostSince(standing, request.basis?.opening))
    return lost(standing);
  const stored = standing.member;
  if (hasGoneBack(stored, request))
    return aborted(`replica ${standing.replicaId} went back to generation ${stored?.generation ?? 0}`);
  const overtaken = basisError(stored, request);
  if (overtaken !== null) return refuse(overtaken);
  if (stored === null || record.generation > stored.generation) return ACCEPT;
  if (record.generation < stored.generation) {
    return refuse(`generation ${stored.generation} is recorded here, ${record.generation} is older`);
  }
  if (record.engineId !== stored.engineId) {
    return refuse(`engine ${stored.engineId} is recorded for generation ${stored.generation}`);
  }
  // Members change with the generation alone, or two records of one generation could contradict each other.
  if (!sameMembers(record.members, stored.members)) {
    return invalid(`the members of generation ${stored.generation} are ${stored.members.join(", ")}`);
  }
  return ACCEPT;
}

/** Control calls connect anew by themselves: an engine that has not noticed yet that the stream has ended would take what came
 * back for what it was, and go on with that alone. */
function hasLostSince({ lostWrites, opening }: Standing, seen = ""): boolean {
  return lostWrites && seen !== "" && seen !== opening;
}

function lost({ replicaId }: Standing): ControlDecision {
  return aborted(`replica ${replicaId} was restarted: acknowledged writes may be lost`);
}

function restarted({ replicaId }: Standing): ControlDecision {
  return aborted(`replica ${replicaId} was restarted`);
}

/** Its directory was put back to what it was before it stored what its engine knows of. With the next record it would pass for a copy, or for
 * one that has not heard of another engine, and may have: its word is none. */
function hasGoneBack(stored: MemberRecord | null, { basis, record }: RecordRequest): boolean {
  const generation = stored?.generation ?? 0;
  return basis !== null && basis.engineId === record?.engineId && generation < basis.generation;
}

/** A record that follows from another state than the present one would undo a decision that its sender does not know.
 * What the same engine stored before does not count: the answer to that may have been lost. */
function basisError(stored: MemberRecord | null, { basis, record }: RecordRequest): string | null {
  if (basis === null || stored?.engineId === record?.engineId) return null;
  const generation = stored?.generation ?? 0;
  const engineId = stored?.engineId ?? "";
  if (basis.generation === generation && basis.engineId === engineId) return null;
  return `generation ${generation} of engine "${engineId}" is recorded here, not ${basis.generation} of "${basis.engineId}"`;
}

/** May this engine do what counts on all that it wrote: change the chain, or end its work, so that nothing is left to be
 * compared? Not when some of that was lost. */
export function decideChange(standing: Standing, request: OpeningRequest): ControlDecision {
  const decided = decideEngine(standing, request);
  return decided.accept && hasLostSince(standing, request.opening) ? lost(standing) : decided;
}

/** May this engine close the replica, or go on with files that it had begun to let copy there? Not behind the back of another one; what it
 * has recorded itself since does not matter. */
export function decideSameEngine({ member }: Recorded, { engineId }: EngineRequest): ControlDecision {
  if (member?.engineId === engineId) return ACCEPT;
  return refuse(`engine ${member?.engineId ?? ""} is recorded here, not ${engineId}`);
}

/** May this engine close it? Not by a call from before it stored the present record: it may have been made a copy again since. */
export function decideClose(recorded: Recorded, request: EngineRequest): ControlDecision {
  const decided = decideSameEngine(recorded, request);
  const generation = recorded.member?.generation ?? 0;
  if (!decided.accept || generation <= request.generation) return decided;
  return refuse(
    `generation ${generation} is recorded here, and it was to be closed under generation ${request.generation}`,
  );
}

/** May this engine declare that copies are equal? Not since an opening that it has not noticed: what was under way when it
 * began may be on some copies only, and what was lost on others. */
export function decideAgreed(standing: Standing, request: OpeningRequest): ControlDecision {
  const decided = decideEngine(standing, request);
  if (!decided.accept || request.opening === "" || request.opening === standing.opening) return decided;
  return hasLostSince(standing, request.opening) ? lost(standing) : restarted(standing);
}

/** May this engine ask and change what is its own? Only the one recorded. */
export function decideEngine({ member }: Recorded, { engineId, generation }: EngineRequest): ControlDecision {
  if (member === null) return refuse("no engine is recorded here yet");
  if (member.engineId !== engineId || member.generation !== generation) {
    return refuse(
      `engine ${member.engineId} is recorded with generation ${member.generation}, not ${engineId} with ${generation}`,
    );
  }
  return ACCEPT;
}

function identityError(standing: Standing, named: { volume: string; replicaId: string }): string | null {
  if (standing.volume !== "" && named.volume !== standing.volume)
    return `this is volume ${standing.volume}, not ${named.volume}`;
  if (named.replicaId !== standing.replicaId)
    return `this is replica ${standing.replicaId}, not ${named.replicaId}`;
  return null;
}

/** What is wrong with a record by itself; null: nothing. */
export function recordError(record: MemberRecord): string | null {
  if (record.generation === 0) return "generation 0 is no generation";
  if (!isName(record.engineId)) return `an engine id has 1 to ${NAME_LENGTH_MAX} characters`;
  if (record.engineBootId.length > NAME_LENGTH_MAX)
    return `a boot id has at most ${NAME_LENGTH_MAX} characters`;
  if (record.members.length === 0) return "a generation has at least one member";
  if (record.members.length > MEMBERS_MAX) return `a generation has at most ${MEMBERS_MAX} members`;
  if (!record.members.every(isName)) return `a member's id has 1 to ${NAME_LENGTH_MAX} characters`;
  if (!record.witnesses.every((id) => record.members.includes(id))) return "a witness is a member";
  if (record.witnesses.length >= record.members.length) return "a generation has a member that holds data";
  if (record.absent.length > MEMBERS_MAX) return `a generation has at most ${MEMBERS_MAX} absent members`;
  if (!record.absent.every(({ replicaId }) => isName(replicaId)))
    return `an absent member's id has 1 to ${NAME_LENGTH_MAX} characters`;
  if (record.heldByAll > record.generation)
    return `generation ${record.heldByAll} is not held by all before generation ${record.generation}`;
  if (record.reverting.length > NAME_LENGTH_MAX) return `a time has at most ${NAME_LENGTH_MAX} characters`;
  if (record.engineState.length > ENGINE_STATE_BYTES_MAX) {
    return `engine state of ${record.engineState.length} bytes is longer than ${ENGINE_STATE_BYTES_MAX}`;
  }
  return null;
}

/** Longhorn's bound for names; ids keep to it. */
export function isName(text: string): boolean {
  return text.length >= 1 && text.length <= NAME_LENGTH_MAX;
}

function sameMembers(a: readonly string[], b: readonly string[]): boolean {
  const ids = new Set(a);
  return ids.size === new Set(b).size && b.every((id) => ids.has(id));
}

/** Whether what was written since the last stop, and is not on the disk, is gone. */
export function isPageCacheLost(recordedBootId: string, bootId: string): boolean {
  return recordedBootId !== "" && !isSameBoot(recordedBootId, bootId);
}

/** What an opening finds out about acknowledged writes: they may be lost when the machine restarted, or the disk was another one for a while (the
 * page cache is gone), while regions were not known to be durable.
 * @param recordedBootId as `readBootId` gave it; "" when all was durable at the last stop, or the replica never had an engine */
export function mayHaveLostWrites(recordedBootId: string, bootId: string, dirtyRegions: number): boolean {
  return isPageCacheLost(recordedBootId, bootId) && dirtyRegions > 0;
}
