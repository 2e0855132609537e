/** Which of Longhorn's replicas are copies of a volume when it starts. They cannot prove it: where replicas of ours are in the
 * set, these prove it for them; else Longhorn's own rules decide. */
import type { Logger } from "pino";
import type { MemberRecord, ReplicaFacts } from "../../proto/control.js";
import type { Replica } from "../../proto/longhorn.js";
import { speaksLonghorn } from "../plain-file/file-link.js";
import { describe, type Answer, type LeftOut, type Member } from "../membership.js";
import { NOTHING_STORED, type Holder } from "../record-keeper.js";
import { isLonghornId, type LonghornLink } from "./longhorn-link.js";

export type LonghornMember = Holder & { address: string; facts: ReplicaFacts };

export interface Alongside {
  members: LonghornMember[];
  leftOut: (LeftOut & { link: LonghornLink })[];
}

/** What replicas of ours said, without those of Longhorn's that their records name: these need not be asked, since no engine
 * goes on with them alone. */
export function withoutLonghorn(answers: Answer[]): Answer[] {
  return answers.map((answer) => {
    if (!("facts" in answer) || answer.facts.record === null) return answer;
    const { record } = answer.facts;
    const members = record.members.filter((id) => !isLonghornId(id));
    return { ...answer, facts: { ...answer.facts, record: { ...record, members } } };
  });
}

/** Ids of Longhorn's replicas that the record which counts names.
 * @param chosen null for a new volume */
export function namedLonghorn(answers: Answer[], chosen: MemberRecord | null): string[] {
  return answers.flatMap((answer) => {
    const record = "facts" in answer ? answer.facts.record : null;
    const counts = record?.generation === chosen?.generation && record?.engineId === chosen?.engineId;
    return counts && record !== null ? record.members.filter(isLonghornId) : [];
  });
}

export interface Beside {
  /** of ours, current */
  members: readonly Member[];
  /** see `namedLonghorn`; null: the volume is new */
  named: readonly string[] | null;
}

/** Those that are copies beside replicas of ours.
 * @throws {Error} one was written by somebody while those of ours were not: which are the newer ones is not ours to say */
export async function chooseBeside(
  { members, named }: Beside,
  links: readonly LonghornLink[],
): Promise<Alongside> {
  const result: Alongside = { members: [], leftOut: [] };
  const settled = members.every(({ facts }) => facts.inheritedRegions === 0 && !facts.lostWrites);
  const revision = Math.max(...members.map(({ facts }) => facts.revision));
  for (const link of links) {
    const { id: replicaId, address } = link;
    const leaveOut = (cause: string) => result.leftOut.push({ address, replicaId, cause, link });
    const facts = await link.identify();
    // Where nothing is settled the numbers tell nothing: one operation may be several messages.
    const known = settled && facts.inheritedRegions === 0 && revision > 0 && facts.revision > 0;
    if (named === null ? facts.allocated > 0 : !named.includes(replicaId)) {
      leaveOut("no record names it as a copy: it has to be added, and rebuilt");
    } else if (known && facts.revision > revision) {
      throw new Error(
        `replica ${address} was written without the others: its revision counter is ${facts.revision}, theirs ${revision}. ` +
          `Start the volume with those alone that hold what you want; ${describe([...members])}`,
      );
    } else if (known && facts.revision < revision) {
      leaveOut(`stale: its revision counter is ${facts.revision}, that of the others ${revision}`);
    } else {
      result.members.push(memberOf(link, facts));
    }
  }
  return result;
}

/** All are Longhorn's, and the caller has left out what its rules leave out. */
export async function allLonghorn(links: readonly LonghornLink[]): Promise<LonghornMember[]> {
  return Promise.all(links.map(async (link) => memberOf(link, await link.identify())));
}

function memberOf(link: LonghornLink, facts: ReplicaFacts): LonghornMember {
  return {
    ...{ address: link.address, facts, link, replicaId: link.id },
    ...{ stored: NOTHING_STORED, readable: true },
  };
}

/** Said once at each start. */
export function warnOfLonghorn(members: readonly LonghornMember[], log: Logger): void {
  for (const { address } of members.filter(({ link }) => speaksLonghorn(link)))
    log.warn(
      { replica: address },
      "replica is Longhorn's: a flush is as durable there as Longhorn makes its writes, and it comes back by a rebuild only",
    );
}

type Candidate = Pick<Replica, "revisionCounter" | "revisionCounterDisabled" | "lastModifyTime">;

/** Longhorn's rules for a set of its replicas: the highest revision counter is the newest. Without counters, those changed
 * last; Longhorn would take them all for equal.
 * @returns for each why it is left out, or null */
export function staleByLonghorn(candidates: readonly Candidate[], toleranceNs: number): (string | null)[] {
  const highest = Math.max(...candidates.map(({ revisionCounter }) => revisionCounter));
  const newest = Math.max(...candidates.map(({ lastModifyTime }) => lastModifyTime));
  return candidates.map(({ revisionCounter, revisionCounterDisabled, lastModifyTime }) => {
    if (!revisionCounterDisabled)
      return revisionCounter < highest
        ? `its revision counter is ${revisionCounter}, the highest is ${highest}`
        : null;
    const older = newest - lastModifyTime;
    return older >= toleranceNs
      ? `its head was changed ${Math.round(older / 1e6)} ms before the newest one`
      : null;
  });
}
