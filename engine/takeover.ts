/** The first half of an engine's start: find the current replicas and become their one engine. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import { MEMBERS_POLL_MS, MISSING_MEMBER_WAIT_MS, READ_LEASE_WAIT_MS } from "./limits.js";
import type { LonghornLink } from "./longhorn/longhorn-link.js";
import {
  allLonghorn,
  chooseBeside,
  namedLonghorn,
  warnOfLonghorn,
  withoutLonghorn,
  type Alongside,
} from "./longhorn/longhorn-members.js";
import {
  chooseMembers,
  describe,
  type Answer,
  type Choice,
  type LeftOut,
  type Member,
  type RefusalCode,
  type Wanted,
} from "./membership.js";
import { basisOf, RecordKeeper, type Holder } from "./record-keeper.js";
import { ReplicaLink } from "./replica-link.js";
import { witnessLink } from "./voters-link.js";
import type { MemberRecord, ReplicaFacts } from "../proto/control.js";

/** Who has the volume is not who was expected. */
export class OtherEngineError extends Error {
  override readonly name = "OtherEngineError";
}

/** The only engines, beside the one that starts, that may have been in charge before it. */
export interface Predecessors {
  ids: readonly string[];
  /** of what they may have recorded: above it they have decided what we know nothing of. Infinity: any */
  generationMax: number;
}

/** @param record the newest one; null: there is none
 * @param engineId ours
 * @throws {OtherEngineError} */
export function checkAfter(
  record: MemberRecord | null,
  { ids, generationMax }: Predecessors,
  engineId: string,
): void {
  const { engineId: before = "", generation = 0 } = record ?? {};
  // An attempt of ours that came to nothing.
  if (before === engineId) return;
  if (!ids.includes(before))
    throw new OtherEngineError(`engine ${before} is recorded, not ${ids.join(" or ")}`);
  if (generation > generationMax)
    throw new OtherEngineError(
      `engine ${before} has gone on since it gave the volume away: generation ${generation} is recorded, not ${generationMax}`,
    );
}

/** What may be otherwise a moment later, where another engine goes on. */
const PASSING: ReadonlySet<RefusalCode> = new Set<RefusalCode>(["SPLIT", "WENT_BACK"]);

/** The engine must not start with what it found; the message says what that was. */
export class MembershipError extends Error {
  override readonly name = "MembershipError";
}

export interface TakeoverOptions {
  wanted: Wanted;
  links: ReplicaLink[];
  /** `host:port` of those that must not be members, and why, whatever they say of themselves */
  unfit: ReadonlyMap<string, string>;
  /** of Longhorn's replicas in the same set */
  longhorn: readonly LonghornLink[];
  /** null: there is none */
  witness: ReplicaLink | null;
  engineId: string;
  engineBootId: string;
  /** how long members that have not answered are waited for, ms */
  waitMs: number;
  /** who may be recorded at the members; null: anybody */
  after: Predecessors | null;
  onWait: (evidence: string) => void;
  signal: AbortSignal;
  log: Logger;
}

export interface Takeover {
  /** in the order of configuration */
  members: (Holder & { address: string; facts: ReplicaFacts })[];
  leftOut: (LeftOut & { link: ReplicaLink })[];
  keeper: RecordKeeper;
  /** of the machine the last engine ran on; null when there was none */
  lastEngineBootId: string | null;
}

/** @throws {MembershipError} when no member can be chosen, or one does not answer or record in time */
export async function takeOver(options: TakeoverOptions): Promise<Takeover> {
  const { wanted, links, log, signal } = options;
  if (links.length === 0) return takeOverLonghorn(options);
  const begin = performance.now();
  const deadline = begin + options.waitMs;
  for (;;) {
    const { answers: said, witness } = await askAll(links, options.witness, wanted.volume);
    const answers = said.map((answer) => judged(answer, options.unfit));
    const chosen = chooseMembers(withoutLonghorn(answers), wanted, witness);
    const choice = patient(chosen, answers, { begin, deadline });
    let evidence: string;
    switch (choice.type) {
      case "refuse":
        throw new MembershipError(`${choice.code}: ${choice.evidence}`);
      case "wait":
        evidence = choice.evidence;
        break;
      case "start": {
        // What is stored after this look at it is refused as another basis.
        if (options.after !== null) checkAfter(choice.record, options.after, options.engineId);
        log.info(
          { origin: choice.origin, generation: choice.generation, missing: choice.missing, evidence: describe(answers) }, // prettier-ignore
          "members chosen",
        );
        const attempt = await record(choice, await beside(choice, answers, options), options);
        if ("members" in attempt) {
          await outwait(attempt.keeper, options);
          return attempt;
        }
        evidence = attempt.problem;
        break;
      }
    }
    if (performance.now() >= deadline) {
      throw new MembershipError(
        `gave up waiting after ${options.waitMs} ms: ${evidence}. --salvage REPLICA_ID starts from one replica without proof`,
      );
    }
    options.onWait(evidence);
    await sleep(MEMBERS_POLL_MS, undefined, { signal });
  }
}

/** Copies that were not asked may be read elsewhere as long as somebody said there, before this record was stored, that they may. */
async function outwait(keeper: RecordKeeper, { onWait, signal }: TakeoverOptions): Promise<void> {
  if (!keeper.leased) return;
  const begin = performance.now();
  onWait(`another engine may be read from a copy that is away, for ${READ_LEASE_WAIT_MS} ms at the most`);
  // A timer may be early by what its loop was busy with before.
  for (let left = READ_LEASE_WAIT_MS; left > 0; left = READ_LEASE_WAIT_MS - (performance.now() - begin))
    await sleep(Math.ceil(left), undefined, { signal });
  keeper.endLeases();
}

/** Before another engine is asked to hand the volume over: could it be taken, as far as its replicas say?
 * @throws {MembershipError} */
export async function checkTakeable(
  addresses: readonly string[],
  witnessAddress: string | null,
  wanted: Wanted,
): Promise<void> {
  const links = addresses.map((address) => new ReplicaLink(address));
  const arbiter = witnessAddress === null ? null : witnessLink(witnessAddress);
  const { answers, witness } = await askAll(links, arbiter, wanted.volume);
  const choice = chooseMembers(answers, wanted, witness);
  for (const link of arbiter === null ? links : [...links, arbiter]) link.close();
  if (choice.type === "refuse") throw new MembershipError(`${choice.code}: ${choice.evidence}`);
}

async function askAll(
  links: readonly ReplicaLink[],
  witness: ReplicaLink | null,
  volume: string,
): Promise<{ answers: Answer[]; witness: Answer | null }> {
  const asked = witness === null ? null : ask(witness, volume);
  return { answers: await Promise.all(links.map((link) => ask(link, volume))), witness: await asked };
}

/** One that has not answered may just be starting: with it, nothing has to be copied. And a record of an engine that goes on may be on its
 * way to the members that it names, which exclude each other until it is there; or who was asked before it was looks as if it had gone back. */
function patient(
  choice: Choice,
  answers: Answer[],
  { begin, deadline }: { begin: number; deadline: number },
): Choice {
  if (choice.type === "refuse" && PASSING.has(choice.code) && performance.now() < deadline)
    return { type: "wait", evidence: choice.evidence };
  const silent = answers.some((answer) => "unreachable" in answer);
  if (choice.type !== "start" || choice.missing.length === 0 || !silent) return choice;
  if (performance.now() - begin >= MISSING_MEMBER_WAIT_MS) return choice;
  const evidence = `replicas ${choice.missing.join(", ")} may still come; ${describe(answers)}`;
  return { type: "wait", evidence };
}

async function ask(link: ReplicaLink, volume: string): Promise<Answer> {
  try {
    return { address: link.address, facts: await link.identifyFor(volume) };
  } catch (error) {
    return { address: link.address, unreachable: (error as Error).message };
  }
}

/** As the engine found it, which may be less than what it says of itself. */
function judged(answer: Answer, unfit: ReadonlyMap<string, string>): Answer {
  const cause = unfit.get(answer.address);
  if (cause === undefined || "unreachable" in answer || answer.facts.unfit !== "") return answer;
  return { ...answer, facts: { ...answer.facts, unfit: cause } };
}

type Start = Extract<Choice, { type: "start" }>;

/** @throws {MembershipError} */
async function beside(choice: Start, answers: Answer[], { longhorn }: TakeoverOptions): Promise<Alongside> {
  if (longhorn.length === 0) return { members: [], leftOut: [] };
  // What a salvage does not name is left out.
  const named =
    choice.origin === "new"
      ? null
      : choice.origin === "salvaged"
        ? []
        : namedLonghorn(answers, choice.record);
  return chooseBeside({ members: choice.members, named }, longhorn).catch((error: unknown) => {
    throw new MembershipError((error as Error).message, { cause: error });
  });
}

/** A set of Longhorn's replicas alone: there is no record but Longhorn's own. */
async function takeOverLonghorn({
  wanted,
  longhorn,
  engineId,
  engineBootId,
  log,
}: TakeoverOptions): Promise<Takeover> {
  const members = await allLonghorn(longhorn);
  warnOfLonghorn(members, log);
  const keeper = new RecordKeeper(wanted.volume, {
    ...{ generation: 0, members: [], engineId, engineBootId, engineState: new Uint8Array() },
    ...{ revisionAtLeast: 0, absent: [], witnesses: [], reverting: "", leased: false, heldByAll: 0 },
  });
  await keeper.takeOver(members);
  return { members, leftOut: [], keeper, lastEngineBootId: null };
}

async function record(
  choice: Start,
  alongside: Alongside,
  { wanted, links, witness, engineId, engineBootId, log }: TakeoverOptions,
): Promise<Takeover | { problem: string }> {
  const linkOf = (address: string): ReplicaLink => {
    const all = witness === null ? links : [...links, witness];
    const link = all.find((candidate) => candidate.address === address);
    if (link === undefined) throw new Error(`no link to ${address}`);
    return link;
  };
  const holderOf = ({ address, facts }: Member) => {
    const link = linkOf(address);
    const stored = basisOf(facts);
    return { address, facts, link, replicaId: facts.replicaId, stored, readable: true };
  };
  const members = choice.members.map(holderOf);
  // What a salvage leaves out is kept as it is until somebody decides about it: nobody waits for it.
  const waited =
    choice.origin === "proved" && choice.record !== null
      ? choice.record
      : { members: [], absent: [], witnesses: [], reverting: "", heldByAll: 0 };
  const keeper = new RecordKeeper(wanted.volume, {
    generation: choice.generation,
    members: waited.members,
    engineId,
    engineBootId,
    engineState: choice.record?.engineState ?? new Uint8Array(),
    revisionAtLeast: Math.max(...choice.members.map(({ facts }) => facts.revision)),
    absent: waited.absent,
    witnesses: waited.witnesses,
    reverting: waited.reverting,
    leased: choice.leased,
    heldByAll: waited.heldByAll,
  });
  try {
    const arbiter = choice.witness === null ? null : { ...holderOf(choice.witness), readable: false };
    await keeper.takeOver([...members, ...alongside.members], choice.fenced.map(holderOf), arbiter);
  } catch (error) {
    log.warn({ err: error, generation: keeper.generation }, "a member did not record the takeover");
    return {
      problem: `a member did not record generation ${keeper.generation}: ${(error as Error).message}`,
    };
  }
  warnOfLonghorn(alongside.members, log);
  const ours = choice.leftOut.map((left) => ({ ...left, link: linkOf(left.address) }));
  const leftOut = [...ours, ...alongside.leftOut];
  return {
    members: [...members, ...alongside.members],
    leftOut,
    keeper,
    lastEngineBootId: choice.record?.engineBootId ?? null,
  };
}
