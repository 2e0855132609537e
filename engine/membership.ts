/**
 * Which replicas are current, and which of them the others are made equal to. Pure decisions over what the replicas
 * said of themselves (ARCHITECTURE.md "Generation and membership"); nothing here talks to anybody.
 */
import type { MemberRecord, ReplicaFacts } from "../proto/control.js";
import { SALVAGE_GENERATION_LEAP } from "./limits.js";
import { canProve } from "./quorum.js";
import { hasReverted } from "./unlike-chain.js";

/** What asking one configured replica brought. */
export type Answer = { address: string; facts: ReplicaFacts } | { address: string; unreachable: string };

export interface Wanted {
  volume: string;
  /** bytes */
  size: number;
  /** id of the replica to go on from without proof, or null */
  salvage: string | null;
  /** somebody has said that what was acknowledged and not flushed may be lost */
  acceptLostWrites: boolean;
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
  | "WRONG_ROLE"
  | "NOT_CONFIGURED"
  | "NO_RECORD"
  | "WENT_BACK"
  | "SPLIT"
  | "NO_SUCH_REPLICA"
  | "LOST_WRITES"
  | "UNLIKE_BACKING"
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
      /** the records of all members name it: it stores the next one before all others, and is named there; null: there is none, or it is
       * nobody's witness yet, or did not answer */
      witness: Member | null;
      /** members that have not answered, and without which the others can prove what they hold */
      missing: string[];
      leftOut: LeftOut[];
      /** copies that are not asked to store the next record may still be read, for the time of a read lease */
      leased: boolean;
      /** the next record's generation is above this one */
      generation: number;
      /** the record that was proved to be the newest; null for a new volume */
      record: MemberRecord | null;
    }
  /** Others may know more: ask again later. */
  | { type: "wait"; evidence: string }
  | { type: "refuse"; code: RefusalCode; evidence: string };

/** Chooses the current replicas among those that answered, or says why nobody can be chosen.
 * @param answers one of each configured replica, in the order of configuration
 * @param witness what asking the configured witness brought; null: there is none */
export function chooseMembers(answers: Answer[], wanted: Wanted, witness: Answer | null = null): Choice {
  const answered = answers.filter((answer): answer is Member => "facts" in answer);
  const arbiter = witness !== null && "facts" in witness ? witness : null;
  const wrong = misconfigured(answered, arbiter, wanted);
  if (wrong !== null) return wrong;
  const everybody = arbiter === null ? answered : [...answered, arbiter];
  const newest = Math.max(0, ...everybody.map(({ facts }) => generationOf(facts)));
  if (wanted.salvage !== null) return salvage(answers, answered, wanted.salvage, newest);
  if (answered.length === 0) return { type: "wait", evidence: describe(answers) };
  if (newest === 0) return firstStart(answers, answered);
  const { acceptLostWrites } = wanted;
  const back = wentBack(everybody);
  const heard = answered.filter(({ facts }) => !back.has(facts.replicaId));
  const voter = arbiter !== null && back.has(arbiter.facts.replicaId) ? null : arbiter;
  return new Proof(answers, heard, voter, witness !== arbiter, newest, acceptLostWrites, back).choose();
}

/** Those that have stored a later generation once than they have now: an older state of the directory, or the machine, was restored. What
 * they did since they do not know, so that their word is as good as none, and their data are older than that of the others.
 * @returns by id, in words */
function wentBack(everybody: readonly Member[]): Map<string, string> {
  const records = everybody.flatMap(({ facts }) => facts.record ?? []);
  const back = new Map<string, string>();
  for (const { facts } of everybody) {
    const { replicaId } = facts;
    const names = ({ members, absent }: MemberRecord) =>
      members.includes(replicaId) && !absent.some((absence) => absence.replicaId === replicaId);
    const held = Math.max(0, ...records.filter(names).map(({ heldByAll }) => heldByAll));
    const generation = generationOf(facts);
    if (generation >= held) continue;
    const why = generation === 0 ? "its directory was replaced" : `it went back to generation ${generation}`;
    back.set(replicaId, `${why}, and had stored generation ${held}`);
  }
  return back;
}

function isFit({ facts }: Member): boolean {
  return facts.unfit === "";
}

function idsOf(members: readonly Member[]): string {
  return members.map(({ facts }) => facts.replicaId).join(", ");
}

function misconfigured(answered: Member[], witness: Member | null, wanted: Wanted): Choice | null {
  const addressOfId = new Map<string, string>();
  for (const { address, facts } of witness === null ? answered : [...answered, witness]) {
    const role = address === witness?.address;
    if (facts.witness !== role) {
      const evidence = role
        ? `${address} is no witness, but a replica`
        : `${address} is a witness: it has no data`;
      return { type: "refuse", code: "WRONG_ROLE", evidence };
    }
    if (facts.volume !== wanted.volume) {
      const evidence = `replica ${address} holds volume ${facts.volume}, not ${wanted.volume}`;
      return { type: "refuse", code: "WRONG_VOLUME", evidence };
    }
    if (!role && facts.unfit === "" && facts.size !== wanted.size) {
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
    // What it has stored is another history from here on. It joins again as a new one does.
    witness: null,
    missing: [],
    leftOut: leaveOut(answers, [chosen], () => `replica ${id} was salvaged without it`),
    leased: false,
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
  const proof = {
    answers,
    back: new Map<string, string>(),
    newest: 0,
    named: answered,
    witness: null,
    missing: [],
  };
  return start(proof, answered, null);
}

/**
 * An engine asks the members before it takes over or goes on without one (`quorum.ts`), so the newest record's members are the
 * only ones who can know more. Whoever is excluded by the record of any of them is stale: a takeover that reached some
 * members only may carry the highest generation, while the engine before it still went on with the others. A record that no
 * current copy holds decides nothing: the newest one of the others does, and its members have to be asked as well.
 *
 * Every record that names a witness was stored there first, each from the one before it. So what the witness excludes is
 * excluded, even if nobody else has stored that.
 *
 * Who went back in time counts as one that does not answer.
 *
 * Copies whose machines restarted prove who is current all the same, but not what was acknowledged and not flushed: whoever shared in
 * that as far as they know, and does not answer, or is excluded by records that they have not stored, may hold it.
 */
class Proof {
  /** named by the records that were looked at */
  readonly #named: Member[] = [];
  readonly #missing = new Set<string>();
  #needsWitness = false;

  /** @param newest highest generation among the answers, > 0 */
  constructor(
    private readonly answers: Answer[],
    private readonly answered: Member[],
    private readonly witness: Member | null,
    private readonly witnessIsSilent: boolean,
    private readonly newest: number,
    private readonly acceptLostWrites: boolean,
    /** by id, in words; none of `answered` */
    private readonly back: ReadonlyMap<string, string>,
  ) {}

  choose(): Choice {
    const { answered, witness } = this;
    for (let trusted = witness === null ? answered : [...answered, witness]; ;) {
      const generation = Math.max(0, ...trusted.map(({ facts }) => generationOf(facts)));
      const isNewest = ({ facts }: Member) => generationOf(facts) === generation;
      const members = this.#round(trusted, trusted.filter(isNewest));
      if (!Array.isArray(members)) return members;
      if (members.length === 0 || members.some(isNewest)) return this.#startFrom(members);
      trusted = trusted.filter((member) => !isNewest(member));
    }
  }

  /** Who of those that the records of `holders`, the newest among `trusted`, name is current. */
  #round(trusted: Member[], holders: Member[]): Member[] | Choice {
    const { answered, witness } = this;
    const records = holders.flatMap(({ facts }) =>
      facts.record !== null && facts.record.generation > 0 ? [facts.record] : [],
    );
    const unproved = records.find((record) => !canProve(record, (id) => this.#hasAnswered(id)));
    if (unproved !== undefined) return this.#wait(unproved);
    const named = new Set(records.flatMap((record) => record.members));
    for (const id of named) if (!this.#hasAnswered(id)) this.#missing.add(id);
    for (const record of records) for (const id of record.witnesses) this.#missing.delete(id);
    const asked = trusted.filter((member) => member !== witness && named.has(member.facts.replicaId));
    this.#named.push(...answered.filter((member) => asked.includes(member) && !this.#named.includes(member)));
    const excludes = ({ facts }: Member, id: string) =>
      generationOf(facts) > 0 && !facts.record?.members.includes(id);
    const voices = [...asked];
    if (witness !== null && named.has(witness.facts.replicaId)) {
      this.#needsWitness = true;
      voices.push(witness);
    }
    return asked.filter(({ facts }) => !voices.some((voice) => excludes(voice, facts.replicaId)));
  }

  #startFrom(members: Member[]): Choice {
    const { answers } = this;
    // A record that is on its way to its members may name one that another engine has gone on without.
    for (const { facts } of members) {
      const { record } = facts;
      if (this.#missing.size > 0 && record !== null && !canProve(record, (id) => this.#hasAnswered(id)))
        return this.#wait(record);
    }
    const record = members.map(({ facts }) => facts.record).reduce(newer, null);
    if (record === null) {
      const emptied = this.#named.find(({ facts }) => generationOf(facts) === 0);
      if (emptied !== undefined) return replaced(emptied, answers);
      const evidence = `the replicas' records exclude each other; ${describe(answers)}`;
      if (this.#missing.size > 0 && this.#someSilent()) return { type: "wait", evidence };
      return { type: "refuse", code: "SPLIT", evidence };
    }

    // A member that never recorded anything is legitimate only while nothing was ever written. Otherwise its directory
    // was emptied, and what it knew of later generations is gone.
    const blank = members.find(({ facts }) => generationOf(facts) === 0);
    if (blank !== undefined && members.some(({ facts }) => facts.allocated > 0))
      return replaced(blank, answers);
    const fit = members.filter(isFit);
    const lost = members.filter(({ facts }) => facts.lostWrites);
    const elsewhere = whoSharedWith(fit).filter((id) => !lost.some(({ facts }) => facts.replicaId === id));
    if (elsewhere.length > 0 && !this.acceptLostWrites && fit.every((member) => lost.includes(member))) {
      const evidence =
        `the machines of ${idsOf(fit)} restarted: acknowledged writes may be on ${elsewhere.join(", ")} alone; ` +
        describe(answers);
      return this.#someSilent()
        ? { type: "wait", evidence }
        : { type: "refuse", code: "LOST_WRITES", evidence };
    }
    // An engine that does not take it for its witness (it was just joining, or given up) goes on without its word.
    const { witness } = this;
    const counts =
      witness !== null &&
      members.every(({ facts }) => facts.record?.members.includes(witness.facts.replicaId) === true);
    const named = this.#needsWitness && witness !== null && !counts ? [...this.#named, witness] : this.#named;
    const proof = {
      ...{ answers, back: this.back, newest: this.newest, named, missing: [...this.#missing] },
      witness: counts ? witness : null,
    };
    return start(proof, members, this.#asTold(record));
  }

  /** With the most that anybody says of what all had stored: not all are told at once. */
  #asTold(record: MemberRecord): MemberRecord {
    const all = this.witness === null ? this.answered : [...this.answered, this.witness];
    const told = all
      .flatMap(({ facts }) => facts.record ?? [])
      .filter(({ generation, engineId }) => generation === record.generation && engineId === record.engineId);
    return { ...record, heldByAll: Math.max(...told.map(({ heldByAll }) => heldByAll)) };
  }

  #wait(record: MemberRecord): Choice {
    const missing = record.members.filter((id) => !this.#hasAnswered(id));
    const [back, silent] = [
      missing.filter((id) => this.back.has(id)),
      missing.filter((id) => !this.back.has(id)),
    ];
    const causes = back.map(
      (id) => `replica ${id} may have gone on, and does not know it: ${this.back.get(id)}`,
    );
    if (silent.length > 0)
      causes.push(`members that may have gone on have not answered: ${silent.join(", ")}`);
    const evidence = [...causes, describe(this.answers)].join("; ");
    if (this.#someSilent()) return { type: "wait", evidence };
    return { type: "refuse", code: back.length > 0 ? "WENT_BACK" : "NOT_CONFIGURED", evidence };
  }

  #hasAnswered(id: string): boolean {
    return this.witness?.facts.replicaId === id || this.answered.some(({ facts }) => facts.replicaId === id);
  }

  #someSilent(): boolean {
    return this.witnessIsSilent || this.answers.some((answer) => "unreachable" in answer);
  }
}

/** Ids of others that held all that was acknowledged, as far as these members have stored. */
function whoSharedWith(members: readonly Member[]): string[] {
  const ids = members.flatMap(({ facts: { record } }) => {
    const joining = record?.absent.map(({ replicaId }) => replicaId) ?? [];
    return record?.members.filter((id) => ![...record.witnesses, ...joining].includes(id)) ?? [];
  });
  return [...new Set(ids)].filter((id) => !members.some(({ facts }) => facts.replicaId === id));
}

function replaced({ facts }: Member, answers: Answer[]): Choice {
  const evidence = `replica ${facts.replicaId} is a member but has no record: its directory was replaced; ${describe(answers)}`;
  return { type: "refuse", code: "NO_RECORD", evidence };
}

interface Proved {
  answers: Answer[];
  back: ReadonlyMap<string, string>;
  newest: number;
  named: Member[];
  witness: Member | null;
  missing: string[];
}

function start(
  { answers, back, newest, named, witness, missing }: Proved,
  current: Member[],
  record: MemberRecord | null,
): Choice {
  const members = current.filter(isFit);
  if (members.length === 0) {
    const causes = current
      .map(({ facts }) => `replica ${facts.replicaId} cannot be used: ${facts.unfit}`)
      .join("; ");
    return { type: "refuse", code: "UNFIT", evidence: causes };
  }
  const unlike = unlikeBacked(members);
  if (unlike !== null) return { type: "refuse", code: "UNLIKE_BACKING", evidence: unlike };
  const fenced = named.filter((member) => !members.includes(member));
  const asked = [...members, ...fenced, ...(witness === null ? [] : [witness])];
  const leftOut = leaveOut(answers, members, ({ unfit, replicaId, ...facts }) => {
    const stale = `stale: its generation is ${generationOf(facts)}, the newest is ${newest}`;
    return unfit === "" ? (back.get(replicaId) ?? stale) : unfit;
  });
  return {
    type: "start",
    origin: record === null ? "new" : "proved",
    members,
    fenced,
    witness,
    missing,
    leftOut,
    leased: missing.length > 0 || asked.some(({ facts }) => facts.record?.leased === true),
    generation: newest,
    record,
  };
}

/** What was never written reads from the image that a copy lies on: two of them make two volumes. */
function unlikeBacked(members: readonly Member[]): string | null {
  const told = members.filter(({ facts }) => facts.backing !== "");
  const [one] = told;
  const other = told.find(({ facts }) => facts.backing !== one?.facts.backing);
  if (one === undefined || other === undefined) return null;
  const on = ({ address, facts }: Member) =>
    `replica ${address} lies on ${facts.backing === "none" ? "no backing image" : `a backing image with the fingerprint ${facts.backing}`}`;
  return `${on(one)}, and ${on(other)}: they are not copies of one volume; give each the image that the volume was made with, or start without the wrong one`;
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
  /** when the heads of a revert that was under way were created; "": there was none */
  reverting: string;
}

export type Source =
  /** index of the member that the others are made equal to */
  { type: "source"; index: number } | { type: "lost-writes"; evidence: string };

/** Chooses the member whose content counts where copies may differ (ARCHITECTURE.md "Write intent and agreement"). */
export function chooseSource(members: Member[], rules: SourceRules): Source {
  // One that has reverted may have been served; where none was, either is right.
  const first = (candidates: Member[]) =>
    candidates.find(({ facts }) => hasReverted(facts, rules.reverting)) ?? candidates[0];
  const source = first(members.filter(({ facts }) => !facts.lostWrites));
  if (source !== undefined) return { type: "source", index: members.indexOf(source) };
  // The engine's machine restarted as well: initiators that were told of those writes are gone. A power cut.
  const powerCut = rules.lastEngineBootId !== rules.engineBootId;
  const least = first(members);
  if (least !== undefined && (powerCut || rules.acceptLostWrites))
    return { type: "source", index: members.indexOf(least) };
  return {
    type: "lost-writes",
    evidence: `the machines of all members (${idsOf(members)}) restarted, that of the engine did not: acknowledged writes may be lost`,
  };
}
