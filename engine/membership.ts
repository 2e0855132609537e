/**
 * Which replicas are current, and which of them the others are made equal to. Pure decisions over what the replicas
 * said of themselves (ARCHITECTURE.md "Generation and membership"); nothing here talks to anybody.
 */
import type { MemberRecord, ReplicaFacts } from "../proto/control.js";
import { SALVAGE_GENERATION_LEAP } from "./limits.js";

/** What asking one configured replica brought. */
export type Answer = { address: string; facts: ReplicaFacts } | { address: string; unreachable: string };

export interface Wanted {
  volume: string;
  /** bytes */
  size: number;
  /** id of the replica to go on from without proof, or null */
  salvage: string | null;
}

export interface Member {
  address: string;
  facts: ReplicaFacts;
}

export interface LeftOut {
  address: string;
  /** null when it did not answer */
  replicaId: string | null;
  cause: string;
}

export type RefusalCode =
  | "WRONG_VOLUME"
  | "WRONG_SIZE"
  | "DUPLICATE"
  | "NOT_CONFIGURED"
  | "NO_RECORD"
  | "SPLIT"
  | "NO_SUCH_REPLICA"
  | "UNFIT";

export type Choice =
  | {
      type: "start";
      origin: "new" | "proved" | "salvaged";
      /** all of them hold every acknowledged write */
      members: Member[];
      /** The newest records name these as well, but they are not current. They have to store the next record, too: an engine
       * that is still making one of them a member could otherwise go on with it alone. */
      fenced: Member[];
      leftOut: LeftOut[];
      /** the next record's generation is above this one */
      generation: number;
      /** the record that was proved to be the newest; null for a new volume */
      record: MemberRecord | null;
    }
  /** Others may know more: ask again later. */
  | { type: "wait"; evidence: string }
  | { type: "refuse"; code: RefusalCode; evidence: string };

/** Chooses the current replicas among those that answered, or says why nobody can be chosen.
 * @param answers one of each configured replica, in the order of configuration */
export function chooseMembers(answers: Answer[], wanted: Wanted): Choice {
  const answered = answers.filter((answer): answer is Member => "facts" in answer);
  const wrong = misconfigured(answered, wanted);
  if (wrong !== null) return wrong;
  const newest = Math.max(0, ...answered.map(({ facts }) => generationOf(facts)));
  if (wanted.salvage !== null) return salvage(answers, answered, wanted.salvage, newest);
  if (answered.length === 0) return { type: "wait", evidence: describe(answers) };
  return newest === 0 ? firstStart(answers, answered) : proved(answers, answered, newest);
}

function misconfigured(answered: Member[], wanted: Wanted): Choice | null {
  const addressOfId = new Map<string, string>();
  for (const { address, facts } of answered) {
    if (facts.volume !== wanted.volume) {
      const evidence = `replica ${address} holds volume ${facts.volume}, not ${wanted.volume}`;
      return { type: "refuse", code: "WRONG_VOLUME", evidence };
    }
    if (facts.size !== wanted.size) {
      const evidence = `replica ${address} has ${facts.size} bytes, the volume has ${wanted.size}`;
      return { type: "refuse", code: "WRONG_SIZE", evidence };
    }
    const other = addressOfId.get(facts.replicaId);
    if (other !== undefined) {
      const evidence = `${other} and ${address} are both replica ${facts.replicaId}`;
      return { type: "refuse", code: "DUPLICATE", evidence };
    }
    addressOfId.set(facts.replicaId, address);
  }
  return null;
}

function salvage(answers: Answer[], answered: Member[], id: string, newest: number): Choice {
  const chosen = answered.find(({ facts }) => facts.replicaId === id);
  if (chosen === undefined) {
    const evidence = `replica ${id}, to be salvaged, has not answered; ${describe(answers)}`;
    return answered.length < answers.length
      ? { type: "wait", evidence }
      : { type: "refuse", code: "NO_SUCH_REPLICA", evidence };
  }
  if (chosen.facts.unfit !== "") {
    return { type: "refuse", code: "UNFIT", evidence: `replica ${id} cannot be used: ${chosen.facts.unfit}` };
  }
  const { record, heldGeneration } = chosen.facts;
  if (record !== null && record.generation > 0 && heldGeneration === 0 && !record.members.includes(id)) {
    const evidence = `replica ${id} cannot be used: it was being rebuilt, and was never a whole copy`;
    return { type: "refuse", code: "UNFIT", evidence };
  }
  return {
    type: "start",
    origin: "salvaged",
    members: [chosen],
    fenced: [],
    leftOut: leaveOut(answers, [chosen], () => `replica ${id} was salvaged without it`),
    // A replica that is away may have gone on under generations that nobody here has seen: it must not win later.
    generation: newest + SALVAGE_GENERATION_LEAP,
    record: chosen.facts.record,
  };
}

/** Nobody has a record: a new volume, or somebody else's data. */
function firstStart(answers: Answer[], answered: Member[]): Choice {
  if (answered.length < answers.length) return { type: "wait", evidence: describe(answers) };
  const holders = answered.filter(({ facts }) => facts.allocated > 0);
  if (holders.length > 0 && answered.length > 1) {
    const evidence = `there are data without a record of who is current; ${describe(answers)}`;
    return { type: "refuse", code: "NO_RECORD", evidence };
  }
  return start(answers, answered, answered, 0, null);
}

/**
 * An engine asks all members before it takes over or goes on without one, so the newest record's members are the only
 * ones who can know more. Whoever is excluded by the record of any of them is stale: a takeover that reached some members
 * only may carry the highest generation, while the engine before it still went on with the others. A record that nobody
 * current holds decides nothing: the newest one of the others does, and its members have to be asked as well.
 * @param newest highest generation among the answers, > 0
 */
function proved(answers: Answer[], answered: Member[], newest: number): Choice {
  const fenced: Member[] = [];
  for (let trusted = answered; ;) {
    const generation = Math.max(0, ...trusted.map(({ facts }) => generationOf(facts)));
    const round = currentOf(answers, answered, trusted, generation);
    if ("type" in round) return round;
    const { asked, members } = round;
    fenced.push(...asked.filter((member) => !fenced.includes(member)));
    const isNewest = ({ facts }: Member) => generationOf(facts) === generation;
    if (members.length === 0 || members.some(isNewest)) return startFrom(answers, fenced, members, newest);
    trusted = trusted.filter((member) => !isNewest(member));
  }
}

/** Those that the records of `generation`, the newest among `trusted`, name, and who of them is current. */
function currentOf(
  answers: Answer[],
  answered: Member[],
  trusted: Member[],
  generation: number,
): { asked: Member[]; members: Member[] } | Choice {
  const newestRecords = trusted.flatMap(({ facts }) =>
    facts.record !== null && facts.record.generation === generation ? [facts.record] : [],
  );
  const named = new Set(newestRecords.flatMap((record) => record.members));
  if (answered.filter(({ facts }) => named.has(facts.replicaId)).length < named.size) {
    const asked = answered.filter(({ facts }) => named.has(facts.replicaId));
    const missing = [...named].filter((id) => !asked.some(({ facts }) => facts.replicaId === id));
    const evidence = `members that may have gone on have not answered: ${missing.join(", ")}; ${describe(answers)}`;
    return answered.length < answers.length
      ? { type: "wait", evidence }
      : { type: "refuse", code: "NOT_CONFIGURED", evidence };
  }
  const asked = trusted.filter(({ facts }) => named.has(facts.replicaId));
  const excludes = ({ facts }: Member, id: string) =>
    generationOf(facts) > 0 && !facts.record?.members.includes(id);
  const members = asked.filter(({ facts }) => !asked.some((other) => excludes(other, facts.replicaId)));
  return { asked, members };
}

function startFrom(answers: Answer[], asked: Member[], members: Member[], newest: number): Choice {
  const record = members.map(({ facts }) => facts.record).reduce(newer, null);
  if (record === null) {
    const evidence = `the replicas' records exclude each other; ${describe(answers)}`;
    return { type: "refuse", code: "SPLIT", evidence };
  }

  // A member that never recorded anything is legitimate only while nothing was ever written. Otherwise its directory
  // was emptied, and what it knew of later generations is gone.
  const blank = members.find(({ facts }) => generationOf(facts) === 0);
  if (blank !== undefined && members.some(({ facts }) => facts.allocated > 0)) {
    const evidence = `replica ${blank.facts.replicaId} is a member but has no record: its directory was replaced; ${describe(answers)}`;
    return { type: "refuse", code: "NO_RECORD", evidence };
  }
  return start(answers, asked, members, newest, record);
}

function start(
  answers: Answer[],
  named: Member[],
  current: Member[],
  newest: number,
  record: MemberRecord | null,
): Choice {
  const members = current.filter(({ facts }) => facts.unfit === "");
  if (members.length === 0) {
    const causes = current
      .map(({ facts }) => `replica ${facts.replicaId} cannot be used: ${facts.unfit}`)
      .join("; ");
    return { type: "refuse", code: "UNFIT", evidence: causes };
  }
  const leftOut = leaveOut(answers, members, ({ unfit, ...facts }) =>
    unfit === "" ? `stale: its generation is ${generationOf(facts)}, the newest is ${newest}` : unfit,
  );
  return {
    type: "start",
    origin: record === null ? "new" : "proved",
    members,
    fenced: named.filter((member) => !members.includes(member)),
    leftOut,
    generation: newest,
    record,
  };
}

function newer(a: MemberRecord | null, b: MemberRecord | null): MemberRecord | null {
  return (b?.generation ?? 0) > (a?.generation ?? 0) ? b : a;
}

function leaveOut(answers: Answer[], members: Member[], cause: (facts: ReplicaFacts) => string): LeftOut[] {
  return answers
    .filter(({ address }) => !members.some((member) => member.address === address))
    .map((answer) =>
      "facts" in answer
        ? { address: answer.address, replicaId: answer.facts.replicaId, cause: cause(answer.facts) }
        : { address: answer.address, replicaId: null, cause: `does not answer: ${answer.unreachable}` },
    );
}

function generationOf(facts: Pick<ReplicaFacts, "record">): number {
  return facts.record?.generation ?? 0;
}

/** The facts that a decision rests on, in words. */
export function describe(answers: Answer[]): string {
  return answers
    .map((answer) => {
      if ("unreachable" in answer) return `${answer.address}: does not answer (${answer.unreachable})`;
      const { replicaId, record, allocated } = answer.facts;
      return record === null || record.generation === 0
        ? `${answer.address}: replica ${replicaId}, no record, ${allocated} bytes of data`
        : `${answer.address}: replica ${replicaId}, generation ${record.generation}, members ${record.members.join(", ")}`;
    })
    .join("; ");
}

export interface SourceRules {
  /** of the machine that this engine runs on */
  engineBootId: string;
  /** of the machine that the last engine ran on; null when there was none */
  lastEngineBootId: string | null;
  acceptLostWrites: boolean;
}

export type Source =
  /** index of the member that the others are made equal to */
  { type: "source"; index: number } | { type: "lost-writes"; evidence: string };

/** Chooses the member whose content counts where copies may differ (ARCHITECTURE.md "Write intent and agreement"). */
export function chooseSource(members: Member[], rules: SourceRules): Source {
  const index = members.findIndex(({ facts }) => !facts.lostWrites);
  if (index >= 0) return { type: "source", index };
  // The engine's machine restarted as well: initiators that were told of those writes are gone. A power cut.
  const powerCut = rules.lastEngineBootId !== rules.engineBootId;
  if (powerCut || rules.acceptLostWrites) return { type: "source", index: 0 };
  const ids = members.map(({ facts }) => facts.replicaId).join(", ");
  return {
    type: "lost-writes",
    evidence: `the machines of all members (${ids}) restarted, that of the engine did not: acknowledged writes may be lost`,
  };
}
