/**
 * A witness that several voters are together: the record is a register that a majority of them holds (`proto/control.proto`, WitnessVoter), so
 * it outlives any one of three. To the rest of the engine it is a witness like any other.
 *
 * A change takes a ballot of its own, newer than all that were heard of. A majority promises to take part in no older one, and tells what
 * it holds; the newest of that is what may have been decided before. What follows from it is decided once a majority has accepted
 * it: whoever asks a majority later hears of it. A ballot that fails may still come to be decided, by a later one that
 * finds it, as a record may be stored whose answer was lost.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { compareBallots, NO_BALLOT, type Ballot } from "../proto/ballot.js";
import type { MemberRecord, RecordBasis, RecordRequest, ReplicaFacts } from "../proto/control.js";
import { isRefusal, type RpcError } from "../proto/rpc-error.js";
import type { CallOptions, Calls } from "../proto/unary.js";
import { NO_DATA, WitnessVoter, type Vote, type WitnessRecord } from "../proto/voting.js";
import { witnessIdOf } from "../proto/witness-id.js";
import { BALLOT_RETRY_MS, BALLOT_RETRY_MS_MAX, CONTROL_TIMEOUT_MS, VOTER_TIMEOUT_MS } from "./limits.js";
import { PacedClient } from "./paced-client.js";
import { asFenced, ReplicaLink } from "./replica-link.js";
import { votersAt } from "./witness-address.js";

/** @param address as `parseWitness` gives it */
export function witnessLink(address: string): ReplicaLink {
  return votersAt(address).length > 1 ? new VotersLink(address) : new ReplicaLink(address);
}

/** What a majority holds. */
interface Register {
  volume: string;
  voters: string[];
  held: WitnessRecord;
}

const NOTHING: WitnessRecord = { record: null, heldGeneration: 0 };

class VotersLink extends ReplicaLink {
  readonly #voters: PacedClient<typeof WitnessVoter>[];
  readonly #proposer = randomUUID();
  /** Between 0.5 and 1.5: two that keep each other from being done part by that. */
  readonly #pace = 0.5 + Number.parseInt(this.#proposer.slice(0, 4), 16) / 0x1_0000;
  /** of the last ballot, or the newest that was heard of */
  #round = 0;
  /** one ballot at a time: those of one engine would only get into each other's way */
  #last: Promise<unknown> = Promise.resolve();
  /** what each has told when it was looked at last; null: it did not answer */
  readonly #looks: (Vote | null)[];
  #isClosed = false;

  constructor(address: string) {
    super(address);
    this.#voters = votersAt(address).map((one) => new PacedClient(WitnessVoter, one));
    this.#looks = this.#voters.map(() => null);
  }

  override get isBare(): boolean {
    const votes = this.#looks.filter((vote) => vote !== null);
    const voters = votersOf(votes, this.#voters.length);
    return voters === null || !isMajority(votesOf(voters, votes).slice(1), voters);
  }

  override async identify(): Promise<ReplicaFacts> {
    const { volume, voters, held } = await this.#read("");
    return {
      ...NO_DATA,
      ...held,
      volume,
      replicaId: witnessIdOf(voters),
      directory: this.address,
      opening: "",
    };
  }

  override async recorded(): Promise<MemberRecord | null> {
    return (await this.identify()).record;
  }

  override async record(
    volume: string,
    replicaId: string,
    record: MemberRecord,
    basis: RecordBasis,
  ): Promise<void> {
    const { voters } = await this.#read(volume);
    if (witnessIdOf(voters) !== replicaId)
      throw new Error(`${this.address} is witness ${witnessIdOf(voters)}, not ${replicaId}`);
    const change = { volume, replicaId, record, basis };
    await asFenced(`witness ${this.address}`, this.#decide(volume, voters, change));
  }

  override close(): void {
    this.#isClosed = true;
    for (const voter of this.#voters) voter.close();
    super.close();
  }

  /** @param volume "": as it was told; one that was told none has no change under way, either */
  async #read(volume: string): Promise<Register> {
    const looks = this.#ask((calls, options) => calls.look({}, options));
    // Those that come later are looked at as well.
    for (const [index, look] of looks.entries())
      look.then((vote) => (this.#looks[index] = vote)).catch(() => (this.#looks[index] = null));
    const { found, answers, errors } = await gather(looks, (votes) => this.#agreed(votes));
    if (found !== null) return found;
    const voters = votersOf(answers, this.#voters.length);
    const named = volume === "" ? (answers.find((vote) => vote.volume !== "")?.volume ?? "") : volume;
    if (voters === null || named === "" || !isMajority(votesOf(voters, answers), voters))
      throw this.#unknown(errors);
    // They hold different things: what is under way is known to hold once it is decided.
    return { volume: named, voters: [...voters], held: await this.#decide(named, voters, null) };
  }

  /** What a majority of the voters holds by the same ballot: it was decided, and nothing since. */
  #agreed(votes: readonly Vote[]): Register | null {
    const voters = votersOf(votes, this.#voters.length);
    if (voters === null) return null;
    const counting = votesOf(voters, votes);
    for (const { accepted, held, volume } of counting) {
      const same = counting.filter((vote) => isSame(vote.accepted, accepted));
      if (!isMajority(same, voters)) continue;
      const names = counting.map((vote) => vote.volume).filter((name) => name !== "");
      return { volume: names[0] ?? volume, voters: [...voters], held: held ?? NOTHING };
    }
    return null;
  }

  #decide(volume: string, voters: readonly string[], change: RecordRequest | null): Promise<WitnessRecord> {
    const decided = this.#last.then(() => this.#tryBallots({ volume, voters: [...voters] }, change));
    this.#last = decided.catch(() => undefined);
    return decided;
  }

  /** @throws {RpcError} the change is refused, as a witness would refuse it
   * @throws {Error} no majority answers in time */
  async #tryBallots(
    register: Pick<Register, "volume" | "voters">,
    change: RecordRequest | null,
  ): Promise<WitnessRecord> {
    const deadline = performance.now() + CONTROL_TIMEOUT_MS;
    for (let attempt = 1; ; attempt++) {
      const outcome = await this.#ballot(register, change);
      if ("held" in outcome) return outcome.held;
      if (outcome.refusal !== null) {
        if (outcome.settled) throw outcome.refusal;
        // What it was refused for was under way.
        await this.#ballot(register, null);
      }
      if (performance.now() >= deadline) throw this.#unknown(outcome.errors);
      await sleep(this.#pace * Math.min(BALLOT_RETRY_MS_MAX, BALLOT_RETRY_MS * 2 ** attempt));
    }
  }

  async #ballot(
    { volume, voters }: Pick<Register, "volume" | "voters">,
    change: RecordRequest | null,
  ): Promise<{ held: WitnessRecord } | { refusal: RpcError | null; settled: boolean; errors: Error[] }> {
    const ballot: Ballot = { round: ++this.#round, proposer: this.#proposer };
    const request = { volume, voters, ballot };
    const majority = (by: "promised" | "accepted") => (votes: readonly Vote[]) => {
      const counting = votesOf(
        voters,
        votes.filter((vote) => isSame(vote[by], ballot)),
      );
      return isMajority(counting, voters) ? counting : null;
    };
    const promises = await gather(
      this.#ask((calls, options) => calls.promise(request, options)),
      majority("promised"),
    );
    for (const { promised } of promises.answers) this.#round = Math.max(this.#round, promised?.round ?? 0);
    if (promises.found === null) return { refusal: null, settled: false, errors: promises.errors };
    const newest = promises.found.reduce((a, b) => (compareVotes(a, b) < 0 ? b : a));
    const settled = promises.found.every((vote) => compareVotes(vote, newest) === 0);
    const basis = newest.held ?? NOTHING;
    const accepts = await gather(
      this.#ask((calls, options) => calls.accept({ ...request, basis, change }, options)),
      majority("accepted"),
    );
    const held = accepts.found?.[0]?.held;
    if (held !== undefined) return { held: held ?? NOTHING };
    const refusal = accepts.errors.find(isRefusal) ?? null;
    return { refusal, settled, errors: accepts.errors };
  }

  #ask(call: (calls: Calls<typeof WitnessVoter>, options: CallOptions) => Promise<Vote>): Promise<Vote>[] {
    if (this.#isClosed) return this.#voters.map(() => Promise.reject(new Error("it is not asked any more")));
    return this.#voters.map((voter) => voter.call((calls) => call(calls, { timeoutMs: VOTER_TIMEOUT_MS })));
  }

  #unknown(errors: readonly Error[]): Error {
    const causes = errors.length === 0 ? "all have to answer the first time" : errors.map(({ message }) => message).join("; "); // prettier-ignore
    return new Error(`no majority of the voters ${this.address} has answered: ${causes}`);
  }
}

function compareVotes(a: Vote, b: Vote): number {
  return compareBallots(a.accepted ?? NO_BALLOT, b.accepted ?? NO_BALLOT);
}

function isSame(a: Ballot | null, b: Ballot | null): boolean {
  return compareBallots(a ?? NO_BALLOT, b ?? NO_BALLOT) === 0;
}

/** Who they are: those that one has taken part with, of whom a majority is among those that answered; or all that were asked, where none
 * ever took part.
 * @returns ids in order; null: it cannot be told */
function votersOf(votes: readonly Vote[], asked: number): readonly string[] | null {
  const groups = votes.filter(({ voters }) => voters.length > 0).map(({ voters }) => voters);
  const known = groups.find((voters) => isMajority(votesOf(voters, votes), voters));
  if (known !== undefined) return known;
  const ids = new Set(votes.map(({ voterId }) => voterId));
  return groups.length > 0 || ids.size < asked || asked % 2 === 0 ? null : [...ids].sort();
}

/** Of each of these voters one: whom two addresses lead to has been asked twice, and counts once. */
function votesOf(voters: readonly string[], votes: readonly Vote[]): Vote[] {
  const belongs = (vote: Vote) => vote.voters.length === 0 || vote.voters.join() === voters.join();
  return voters.flatMap((id) => votes.find((vote) => vote.voterId === id && belongs(vote)) ?? []);
}

function isMajority(votes: readonly Vote[], voters: readonly string[]): boolean {
  return votes.length * 2 > voters.length;
}

/** Waits until what has answered is enough, or all have.
 * @param judge what the answers so far come to; null: not enough yet */
function gather<T, R>(
  asked: readonly Promise<T>[],
  judge: (answers: readonly T[]) => R | null,
): Promise<{ found: R | null; answers: T[]; errors: Error[] }> {
  return new Promise((resolve) => {
    const answers: T[] = [];
    const errors: Error[] = [];
    const look = () => {
      const found = judge(answers);
      if (found !== null || answers.length + errors.length === asked.length)
        resolve({ found, answers, errors });
    };
    for (const one of asked)
      one.then(
        (answer) => {
          answers.push(answer);
          look();
        },
        (error: unknown) => {
          errors.push(error as Error);
          look();
        },
      );
  });
}
