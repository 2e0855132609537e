/** What a witness is called that is made of voters. Not with their number: command lines begin with that, and need not load Node's `crypto`. */
import { createHash } from "node:crypto";

/** The id of the witness that these voters are. @param voters their ids, in order */
export function witnessIdOf(voters: readonly string[]): string {
  return `voters-${createHash("sha256").update(voters.join()).digest("hex").slice(0, 32)}`;
}
