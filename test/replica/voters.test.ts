/** A witness of three voters, each a process of its own: what they keep while they are killed, and what they refuse. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { freePorts } from "../../cli/free-ports.js";
import { ReplicaLink } from "../../engine/replica-link.js";
import { witnessLink } from "../../engine/voters-link.js";
import type { MemberRecord, ReplicaFacts } from "../../proto/control.js";
import { unaryClient } from "../../proto/unary.js";
import { WitnessVoter } from "../../proto/voting.js";
import { startDaemon, waitFor } from "../tools/process.js";
import { BARE_RECORD } from "../../engine/testing/bare-record.js";

const WAIT_MS = 30_000;
const TIMEOUT = { timeoutMs: 5_000 };
const VOTERS = [0, 1, 2];

class Voters {
  readonly #daemons = new Map<number, ReturnType<typeof startDaemon>>();

  private constructor(
    readonly addresses: readonly string[],
    private readonly directory: string,
  ) {}

  static async start(t: Test): Promise<Voters> {
    const directory = mkdtempSync(join(tmpdir(), "aurochs-test-"));
    const ports = await freePorts([], VOTERS.length, 1);
    const voters = new Voters(ports.map((port) => `127.0.0.1:${port}`), directory); // prettier-ignore
    t.teardown(async () => {
      await Promise.all(VOTERS.map((i) => voters.kill(i)));
      rmSync(directory, { recursive: true, force: true });
    });
    for (const i of VOTERS) voters.start(i);
    return voters;
  }

  get address(): string {
    return this.addresses.join(",");
  }

  /** One engine's way to all of them. */
  link(t: Test): ReplicaLink {
    const link = witnessLink(this.address);
    t.teardown(() => link.close());
    return link;
  }

  facts(link: ReplicaLink): Promise<ReplicaFacts> {
    return waitFor("the voters", WAIT_MS, () => link.identifyFor("vol").catch(() => undefined));
  }

  start(i: number): void {
    const [directory, address] = [join(this.directory, `w${i}`), this.addresses[i] ?? ""];
    this.#daemons.set(i, startDaemon("bin/aurochs", ["witness", directory, "--listen", address]));
  }

  async answers(i: number): Promise<void> {
    const { calls, close } = unaryClient(WitnessVoter, this.addresses[i] ?? "");
    await waitFor("the voter", WAIT_MS, () => calls.look({}, TIMEOUT).catch(() => undefined));
    close();
  }

  async kill(i: number): Promise<void> {
    const daemon = this.#daemons.get(i);
    this.#daemons.delete(i);
    daemon?.child.kill("SIGKILL");
    await daemon?.ended;
  }

  empty(i: number): void {
    rmSync(join(this.directory, `w${i}`), { recursive: true });
  }
}

function recordOf(generation: number, engineId: string, witness: string): MemberRecord {
  return {
    ...{ generation, members: ["a", "b", witness], witnesses: [witness], engineId, engineBootId: "b" },
    ...BARE_RECORD,
  };
}

function store(link: ReplicaLink, { replicaId, record }: ReplicaFacts, generation: number, engineId: string) {
  const basis = { generation: record?.generation ?? 0, engineId: record?.engineId ?? "", opening: "" };
  return link.record("vol", replicaId, recordOf(generation, engineId, replicaId), basis);
}

t.test("they keep the record while any one of them is away, and through the end of all", async (t) => {
  const voters = await Voters.start(t);
  const link = voters.link(t);
  let facts = await voters.facts(link);
  t.match(facts, { witness: true, record: null });
  // Who they are is stored with the first record, by all.
  await store(link, facts, 1, "e");
  facts = await voters.facts(link);
  for (const away of VOTERS) {
    await voters.kill(away);
    await store(link, facts, away + 2, `e${away}`);
    // Another engine knows of it, whoever was away before.
    facts = await voters.facts(voters.link(t));
    t.match(facts.record, { generation: away + 2, engineId: `e${away}` });
    voters.start(away);
    await voters.answers(away);
  }
  await Promise.all(VOTERS.map((i) => voters.kill(i)));
  for (const i of VOTERS) voters.start(i);
  t.match((await voters.facts(voters.link(t))).record, { generation: 4, engineId: "e2" });
});

t.test("of engines that start from the same record, one is taken and the others are fenced", async (t) => {
  const voters = await Voters.start(t);
  let facts = await voters.facts(voters.link(t));
  for (let round = 1; round <= 5; round++) {
    const links = ["x", "y", "z"].map((name) => ({ name: `${name}${round}`, link: voters.link(t) }));
    const from = facts;
    const results = await Promise.allSettled(links.map(({ name, link }) => store(link, from, round, name)));
    const taken = links.filter((_, i) => results[i]?.status === "fulfilled");
    t.equal(taken.length, 1, `round ${round}`);
    for (const result of results)
      if (result.status === "rejected") t.match(result.reason, { name: "FencedError" });
    facts = await voters.facts(voters.link(t));
    t.equal(facts.record?.engineId, taken[0]?.name);
  }
});

t.test("without a majority nothing is known, and nothing is stored", async (t) => {
  const voters = await Voters.start(t);
  const link = voters.link(t);
  const facts = await voters.facts(link);
  await store(link, facts, 1, "e");
  await voters.kill(0);
  await voters.kill(2);
  await t.rejects(link.identify(), /no majority of the voters .* has answered: .*connection refused/);
  await t.rejects(store(link, facts, 2, "e"), /no majority of the voters/);
  voters.start(2);
  const { record } = await voters.facts(voters.link(t));
  t.match(record, { generation: 1, engineId: "e" });
});

t.test("a voter that two addresses lead to counts once", async (t) => {
  const voters = await Voters.start(t);
  const [first = ""] = voters.addresses;
  const also = first.replace("127.0.0.1", "localhost");
  const twice = witnessLink(`${first},${also}`);
  const onlyTwo = witnessLink(`${voters.addresses.slice(0, 2).join()},${also}`);
  t.teardown(() => [twice, onlyTwo].map((link) => link.close()));
  const facts = await voters.facts(voters.link(t));
  await t.rejects(onlyTwo.identify(), /no majority of the voters/, "who they are is not known yet");
  await store(voters.link(t), facts, 1, "e");
  await t.rejects(twice.identify(), /no majority of the voters/);
  await t.rejects(store(twice, facts, 2, "f"), /no majority of the voters/);
  t.equal((await onlyTwo.identify()).record?.engineId, "e");
});

t.test("a voter whose directory was emptied is none of them any more; the others go on", async (t) => {
  const voters = await Voters.start(t);
  const facts = await voters.facts(voters.link(t));
  await store(voters.link(t), facts, 1, "e");
  await voters.kill(1);
  voters.empty(1);
  voters.start(1);
  const after = await voters.facts(voters.link(t));
  t.strictSame([after.replicaId, after.record?.generation], [facts.replicaId, 1]);
  await store(voters.link(t), after, 2, "f");
  await voters.kill(0);
  await t.rejects(voters.link(t).identify(), /no majority of the voters/);
});

t.test("one of several is no witness by itself, and one that is by itself is no voter", async (t) => {
  const voters = await Voters.start(t);
  const [first = "", second = ""] = voters.addresses;
  const alone = new ReplicaLink(first);
  t.teardown(() => alone.close());
  const facts = await waitFor("the witness", WAIT_MS, () => alone.identifyFor("vol").catch(() => undefined));
  await store(alone, facts, 1, "e");
  await t.rejects(voters.link(t).identify(), /is a witness by itself/);

  const { calls, close } = unaryClient(WitnessVoter, second);
  t.teardown(close);
  const { voterId } = await waitFor("the voter", WAIT_MS, () =>
    calls.look({}, TIMEOUT).catch(() => undefined),
  );
  const ballot = { round: 1, proposer: "p" };
  const ask = (patch: object) => calls.promise({ volume: "vol", voters: [voterId, "~1", "~2"], ballot, ...patch }, TIMEOUT); // prettier-ignore
  await t.rejects(ask({ voters: ["a", "b", "c"] }), /none of a, b, c/);
  await t.rejects(ask({ voters: [voterId] }), /1 voters are no witness: 3 are, or 5/);
  await t.rejects(ask({ voters: ["~2", "~1", voterId] }), /voters are named in order, and once each/);
  await t.rejects(ask({ ballot: null }), /the ballot is missing/);
  await t.rejects(ask({ volume: "" }), /a volume's name is missing/);
  t.match(await ask({}), { volume: "vol", promised: ballot });
  await t.rejects(ask({ voters: [voterId, "~1", "~3"] }), /is one of .*~2, not of .*~3/);
  await t.rejects(ask({ volume: "other" }), /this is volume vol, not other/);
  const single = new ReplicaLink(second);
  t.teardown(() => single.close());
  await t.rejects(single.identify(), /is one of several voters.* addresses are given together/);
});
