/** How many voters are one witness, and how ballots are ordered. Pure: command lines begin with it. */

/** Voters that are one witness: of three one may be lost, of five two. */
export const VOTERS_MIN = 3;
export const VOTERS_MAX = 5;

/** The one attempt of one proposer to change what the voters hold. */
export interface Ballot {
  round: number;
  proposer: string;
}

export const NO_BALLOT: Ballot = { round: 0, proposer: "" };

/** Negative when `a` is the older one. */
export function compareBallots(a: Ballot, b: Ballot): number {
  if (a.round !== b.round) return a.round - b.round;
  return a.proposer === b.proposer ? 0 : a.proposer < b.proposer ? -1 : 1;
}
