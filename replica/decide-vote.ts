/**
 * What a voter takes part in: pure decisions over what it has stored. Several voters are one witness together (ARCHITECTURE.md "A
 * witness of several voters"): each holds what that witness keeps, or something older.
 */
import { compareBallots, VOTERS_MAX, VOTERS_MIN, type Ballot } from "../proto/ballot.js";
import type { RecordRequest } from "../proto/control.js";
import type { PromiseRequest, WitnessRecord } from "../proto/voting.js";
import { decideRecord, isName, recordError, type ControlDecision } from "./decide.js";
import type { ReplicaRecord } from "./member-record.js";

/** Why it cannot take part: it is one of those that it has always been one of, or of nobody yet. Null: it can. */
export function whyNotVoter(
  { volume, replicaId, vote, member }: ReplicaRecord,
  request: PromiseRequest,
): string | null {
  const { voters, ballot } = request;
  const malformed = votersError(voters) ?? ballotError(ballot);
  if (malformed !== null) return malformed;
  if (!isName(request.volume)) return "a volume's name is missing, or too long";
  if (volume !== "" && request.volume !== volume) return `this is volume ${volume}, not ${request.volume}`;
  if (!voters.includes(replicaId)) return `this is voter ${replicaId}, none of ${voters.join(", ")}`;
  if (vote === undefined) return member === null ? null : `${replicaId} is a witness by itself`;
  if (vote.voters.join() === voters.join()) return null;
  return `voter ${replicaId} is one of ${vote.voters.join(", ")}, not of ${voters.join(", ")}`;
}

/** Whether a voter that has promised one ballot takes part in another. */
export function joins(promised: Ballot, ballot: Ballot): boolean {
  return compareBallots(ballot, promised) >= 0;
}

export type Following = { accept: true; held: WitnessRecord } | Exclude<ControlDecision, { accept: true }>;

/** What a witness keeps after a change. Every voter says the same.
 * @param identity the witness', whose volume may be "" before the first change
 * @param change null: what it keeps is known to hold, and stays */
export function following(
  identity: { volume: string; replicaId: string },
  basis: WitnessRecord,
  change: RecordRequest | null,
): Following {
  const malformed = basis.record === null ? null : recordError(basis.record);
  if (malformed !== null) return { accept: false, code: "INVALID_ARGUMENT", message: malformed };
  if (change === null) return { accept: true, held: basis };
  const standing = { ...identity, member: basis.record, unfit: "", lostWrites: false, opening: "" };
  const decided = decideRecord(standing, change);
  if (!decided.accept) return decided;
  const { record } = change;
  if (record === null) return { accept: true, held: basis };
  const isMember = record.members.includes(identity.replicaId);
  return {
    accept: true,
    held: { record, heldGeneration: isMember ? record.generation : basis.heldGeneration },
  };
}

function votersError(voters: readonly string[]): string | null {
  if (voters.length < VOTERS_MIN || voters.length > VOTERS_MAX || voters.length % 2 === 0)
    return `${voters.length} voters are no witness: 3 are, or 5`;
  if (!voters.every(isName)) return "a voter's id is missing, or too long";
  if (voters.some((id, i) => i > 0 && id <= (voters[i - 1] ?? "")))
    return "voters are named in order, and once each";
  return null;
}

function ballotError(ballot: Ballot | null): string | null {
  if (ballot === null || ballot.round === 0) return "the ballot is missing";
  return isName(ballot.proposer) ? null : "a ballot's proposer is missing, or its name too long";
}
