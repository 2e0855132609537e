import t from "tap";
import type { MemberRecord } from "../proto/control.js";
import { NOTHING_STORED, RecordKeeper, type Holder } from "./record-keeper.js";
import { FencedError, type ReplicaLink } from "./replica-link.js";
import { BARE_RECORD } from "./testing/bare-record.js";

type Answers =
  | "stores"
  | "stores, and its answer is lost"
  | "does not store"
  | "has just lost its writes"
  | "is away"
  | "is another engine's";

/** One that stores records as it is told to, and notes in `order` whose turn it was. */
function holder(replicaId: string, order: string[], readable = true) {
  const control = {
    answers: "stores" as Answers,
    stored: null as MemberRecord | null,
    lost: false,
    unfit: "",
  };
  const link = {
    identifyFor: () => {
      if (control.answers === "is away") return Promise.reject(new Error("away"));
      const { stored: record, lost, unfit } = control;
      return Promise.resolve({ replicaId, record, unfit, lostWrites: lost, opening: lost ? "second" : "" });
    },
    record: (_volume: string, _id: string, record: MemberRecord) => {
      order.push(replicaId);
      if (control.answers === "has just lost its writes") control.lost = true;
      const declines = control.lost || control.unfit !== "";
      if (declines && record.members.includes(replicaId)) return Promise.reject(new Error("it declines"));
      if (control.answers === "is another engine's") return Promise.reject(new FencedError("fenced"));
      if (control.answers.startsWith("stores")) control.stored = record;
      return control.answers === "stores" ? Promise.resolve() : Promise.reject(new Error(control.answers));
    },
  } as unknown as ReplicaLink;
  return Object.assign(control, { replicaId, link, readable });
}

type Fake = ReturnType<typeof holder>;

function as({ replicaId, link, readable }: Fake): Holder {
  return { replicaId, link, readable, stored: NOTHING_STORED };
}

/** A volume with copies A and B, and the witness W. */
async function witnessed() {
  const order: string[] = [];
  const [a, b, w] = [holder("A", order), holder("B", order), holder("W", order, false)];
  const keeper = new RecordKeeper("v", {
    ...{ generation: 1, members: ["A", "B", "W"], witnesses: ["W"], engineId: "e", engineBootId: "" },
    ...BARE_RECORD,
  });
  const [A, B, W] = [as(a), as(b), as(w)];
  await keeper.takeOver([A, B], [], W);
  order.length = 0;
  return { order, keeper, a, b, w, A, B, W };
}

t.test("the witness stores a record before the copies", async (t) => {
  const { order, keeper, a, A, B } = await witnessed();
  t.not(await keeper.advance([A, B]), null);
  t.equal(order[0], "W");
  t.strictSame(a.stored?.witnesses, ["W"]);
});

t.test("a copy that is gone on with alone needs no witness any more, which knows it", async (t) => {
  const { keeper, a, w, A } = await witnessed();
  t.not(await keeper.advance([A]), null);
  for (const { stored } of [a, w]) {
    t.strictSame(stored?.members, ["A"]);
    t.strictSame(
      stored?.absent.map(({ replicaId }) => replicaId),
      ["B"],
    );
  }
  t.equal(keeper.witness, null);
});

t.test("nobody stores what leaves no copy", async (t) => {
  const { order, keeper, B } = await witnessed();
  t.equal(await keeper.advance([{ ...B, readable: false }]), null);
  t.strictSame(order, []);
});

t.test("one copy is not asked to go on alone when the witness does not answer", async (t) => {
  const { order, keeper, a, w, A } = await witnessed();
  w.answers = "is away";
  const before = a.stored;
  t.equal(await keeper.advance([A]), null);
  t.strictSame(order, ["W"]);
  t.equal(a.stored, before);
  t.notOk(keeper.unsettled, "no copy was asked");
});

t.test("two copies go on without the witness, when both are there", async (t) => {
  const { order, keeper, a, b, w, A, B } = await witnessed();
  w.answers = "is away";
  b.answers = "is away";
  t.equal(await keeper.advance([A, B]), null);
  t.strictSame(order, ["W"], "a copy that stored it could not be told from one that was gone on with");
  b.answers = "stores";
  t.not(await keeper.advance([A, B]), null);
  t.strictSame([a.stored?.members, keeper.witness], [["A", "B"], null]);
  t.not(await keeper.advance([A]), null, "each may be gone on with alone from now on");
});

t.test(
  "while a witness joins, a copy is gone on with only as both the old and the new members allow",
  async (t) => {
    const { keeper, a, w, A, B, W } = await witnessed();
    w.answers = "is away";
    await keeper.advance([A, B], { witness: null });
    w.answers = "stores";
    a.answers = "is away";
    t.equal(await keeper.advance([A, B], { witness: W }).then((done) => done?.survivors.length), 1);
    t.equal(keeper.witness, null, "B alone, stored by the witness");
  },
);

t.test("... and not with the witness away", async (t) => {
  const { keeper, a, b, w, A, B, W } = await witnessed();
  w.answers = "is away";
  await keeper.advance([A, B], { witness: null });
  w.answers = "stores";
  a.answers = b.answers = "stores, and its answer is lost";
  t.equal(await keeper.advance([A, B], { witness: W }), null);
  t.ok(keeper.unsettled);
  w.answers = "is away";
  a.answers = "stores";
  t.equal(await keeper.advance([A]), null, "B and the witness may be started from");
  w.answers = b.answers = "stores";
  t.not(await keeper.advance([A, B]), null);
  t.notOk(keeper.unsettled);
});

t.test("whom a record was tried without is left out when its answer was lost", async (t) => {
  const { keeper, a, A, B } = await witnessed();
  a.answers = "stores, and its answer is lost";
  t.equal(await keeper.advance([A]), null);
  t.equal(await keeper.advance([B]), null, "A may be started from alone");
  a.answers = "stores";
  const done = await keeper.advance([A, B]);
  t.strictSame(done?.survivors, [A]);
  t.strictSame(
    done?.failures.map(({ holder: left }) => left),
    [B],
  );
});

t.test("without a witness, nobody goes on without one that may be started from alone", async (t) => {
  const order: string[] = [];
  const [a, b] = [holder("A", order), holder("B", order)];
  const keeper = new RecordKeeper("v", {
    ...{ generation: 1, members: ["A", "B"], witnesses: [], engineId: "e", engineBootId: "" },
    ...BARE_RECORD,
  });
  const [A, B] = [as(a), as(b)];
  await keeper.takeOver([A, B]);
  a.answers = "stores, and its answer is lost";
  t.equal(await keeper.advance([A]), null);
  t.strictSame(a.stored?.members, ["A"]);
  a.answers = "is away";
  t.equal(await keeper.advance([B]), null);
  a.answers = "stores";
  t.not(await keeper.advance([A, B]), null);
  a.answers = "is away";
  t.not(await keeper.advance([B]), null);
});

t.test(
  "one that may be started from alone may be gone on without once it has stored that it is",
  async (t) => {
    const order: string[] = [];
    const [a, b] = [holder("A", order), holder("B", order)];
    const keeper = new RecordKeeper("v", {
      ...{ generation: 1, members: ["A", "B"], witnesses: [], engineId: "e", engineBootId: "" },
      ...BARE_RECORD,
    });
    const [A, B] = [as(a), as(b)];
    await keeper.takeOver([A, B]);
    a.answers = "stores, and its answer is lost";
    t.equal(await keeper.advance([A], { others: [B] }), null);
    a.answers = "is away";
    t.equal(await keeper.advance([B], { others: [A] }), null);
    a.answers = "stores";
    b.answers = "is away";
    t.equal(await keeper.advance([B], { others: [A] }), null);
    t.strictSame(a.stored?.members, ["A"], "it would wait for one that is not there");
    b.answers = "stores";
    t.not(await keeper.advance([B], { others: [A] }), null);
    t.strictSame([a.stored?.members, b.stored?.members], [["B"], ["B"]]);
  },
);

t.test("nobody is told to go without what only one that lost its writes is left of", async (t) => {
  const { keeper, a, b, w, A, B } = await witnessed();
  w.answers = "is away";
  b.lost = true;
  t.equal(await keeper.advance([B], { others: [A] }), null);
  w.answers = "stores";
  t.equal(await keeper.advance([B], { others: [A] }), null);
  for (const { stored } of [a, w]) t.strictSame(stored?.members, ["A", "B", "W"]);
  b.lost = false;
  b.answers = "has just lost its writes";
  t.equal(await keeper.advance([B], { others: [A] }), null, "B does not store it");
  t.strictSame(w.stored?.members, ["B"]);
  t.not(await keeper.advance([A], { others: [B] }), null, "nobody has gone on with B");
  t.strictSame([a.stored?.members, b.stored?.members], [["A"], ["A", "B", "W"]]);
});

t.test("what one did not store before it lost its writes does not count, whatever it answered", async (t) => {
  const { keeper, a, b, A, B } = await witnessed();
  b.answers = "does not store";
  t.equal(await keeper.advance([B], { others: [A] }), null);
  t.equal(await keeper.advance([A], { others: [B] }), null, "B may have stored that it goes on alone");
  b.answers = "stores";
  b.lost = true;
  t.not(await keeper.advance([A], { others: [B] }), null);
  t.strictSame([a.stored?.members, b.stored?.members], [["A"], ["A", "B", "W"]]);
});

t.test("... but what it stored does", async (t) => {
  const { keeper, b, A, B } = await witnessed();
  b.answers = "stores, and its answer is lost";
  t.equal(await keeper.advance([B], { others: [A] }), null);
  b.lost = true;
  t.equal(await keeper.advance([A], { others: [B] }), null);
});

t.test("one that was told that others go on without it is not gone on with alone", async (t) => {
  const { keeper, a, b, w, A, B } = await witnessed();
  w.answers = "is away";
  b.answers = "stores, and its answer is lost";
  t.equal(await keeper.advance([B], { others: [A] }), null);
  t.strictSame([a.stored?.members, b.stored?.members], [["B"], ["B"]]);
  b.answers = "is away";
  t.equal(await keeper.advance([A], { others: [B] }), null, "B may have been gone on with");
});

/** Copies A, B and C, and it may count that A failed: B has stored it, C has not. */
async function withoutA() {
  const order: string[] = [];
  const [a, b, c] = [holder("A", order), holder("B", order), holder("C", order)];
  const keeper = new RecordKeeper("v", {
    ...{ generation: 1, members: ["A", "B", "C"], witnesses: [], engineId: "e", engineBootId: "" },
    ...BARE_RECORD,
  });
  const [A, B, C] = [as(a), as(b), as(c)];
  await keeper.takeOver([A, B, C]);
  b.answers = "stores, and its answer is lost";
  c.answers = "is away";
  await keeper.advance([B, C], { others: [A] });
  b.answers = c.answers = "stores";
  return { keeper, a, b, c, A, B, C };
}

t.test("two of three that have lost their writes are told that it is gone on without them", async (t) => {
  const { keeper, a, b, c, A, B, C } = await withoutA();
  t.strictSame(b.stored?.members, ["B", "C"]);
  b.lost = c.lost = true;
  const done = await keeper.advance([A, B], { others: [C] });
  t.strictSame(done?.survivors, [A]);
  t.strictSame(
    done?.failures.map(({ holder: left }) => left),
    [B],
  );
  for (const { stored } of [a, b, c]) t.strictSame(stored?.members, ["A"]);
});

t.test("... or one of them, which the other is not started from without", async (t) => {
  const { keeper, b, c, A, B, C } = await withoutA();
  b.unfit = "its chain is damaged";
  c.answers = "is away";
  t.strictSame(await keeper.advance([A, B], { others: [C] }).then((done) => done?.survivors), [A]);
  t.strictSame(b.stored?.members, ["A"]);
});

t.test("... but not while neither is there that may have been gone on with", async (t) => {
  const { keeper, b, c, A, B, C } = await withoutA();
  b.answers = "is away";
  c.lost = true;
  t.equal(await keeper.advance([A, B], { others: [C] }), null);
  t.strictSame(
    [b.stored?.members, c.stored?.members],
    [
      ["B", "C"],
      ["A", "B", "C"],
    ],
  );
});

t.test("two copies do not go on without the witness where another engine has one of them", async (t) => {
  const { order, keeper, b, w, A, B } = await witnessed();
  w.answers = "is away";
  b.stored = { ...(b.stored as MemberRecord), engineId: "other" };
  await t.rejects(keeper.advance([A, B]), FencedError);
  t.notOk(order.includes("A"), "it would have another history");
});

t.test("a witness that another engine has taken fences", async (t) => {
  const { order, keeper, w, A, B } = await witnessed();
  w.answers = "is another engine's";
  await t.rejects(keeper.advance([A, B]), FencedError);
  t.strictSame(order, ["W"]);
});

t.test("... and one that nobody relies on yet does not", async (t) => {
  const { keeper, a, w, A, B, W } = await witnessed();
  await keeper.advance([A, B], { witness: null });
  w.answers = "is another engine's";
  t.equal(await keeper.advance([A, B], { witness: W }).then((done) => done?.survivors.length), 2);
  t.strictSame([a.stored?.members, keeper.witness], [["A", "B"], null]);
  w.answers = "stores";
  t.not(await keeper.advance([A, B]), null);
  t.equal(keeper.witness, null, "nor is it asked again by itself");
});

t.test("a record says what all of its members had stored, and one that joins does not count", async (t) => {
  const { order, keeper, a, b, w, A, B, W } = await witnessed();
  t.strictSame([keeper.generation, a.stored?.heldByAll], [2, 0], "nothing is known of them");
  b.answers = "is away";
  t.equal(await keeper.tell(), false);
  b.answers = "stores";
  order.length = 0;
  t.equal(await keeper.tell(), true);
  t.strictSame(order, ["B"], "the others know it by then");
  for (const { stored } of [a, b, w]) t.match(stored, { generation: 2, heldByAll: 2 });
  await keeper.advance([A, B]);
  t.strictSame([keeper.generation, a.stored?.heldByAll], [3, 2]);
  const C = as(holder("C", []));
  await keeper.advance([A, B, C], { stillAbsent: ["C"] });
  t.strictSame([keeper.generation, a.stored?.heldByAll], [4, 3]);
  W.stored = { ...W.stored, generation: 1 };
  await keeper.advance([A, B, C]);
  t.equal(a.stored?.heldByAll, 1, "the witness has to have it as well");
});

t.test("whom a new engine leaves out had stored what the record before says of all", async (t) => {
  const order: string[] = [];
  const a = holder("A", order);
  const keeper = new RecordKeeper("v", {
    ...{ generation: 7, members: ["A", "B"], witnesses: [], engineId: "e", engineBootId: "" },
    ...BARE_RECORD,
    heldByAll: 6,
  });
  await keeper.takeOver([as(a)]);
  t.strictSame(a.stored?.absent, [{ replicaId: "B", heldAtLeast: 6, heldAtMost: 7, excludedAt: 8 }]);
});

t.test("the witness is not told that one is left out for another that has lost its writes", async (t) => {
  const { keeper, a, b, w, A, B } = await witnessed();
  a.lost = true;
  b.answers = "is away";
  t.equal(await keeper.advance([A, B]), null);
  t.strictSame(w.stored?.members, ["A", "B", "W"], "A lost them unnoticed, and B has them");
});

t.test("... and for one that went back, or is of an engine of before", async (t) => {
  for (const engineId of ["e", "before"]) {
    const { keeper, a, b, w, A } = await witnessed();
    b.answers = "is away";
    if (a.stored !== null) a.stored = { ...a.stored, generation: 1, engineId };
    t.equal(await keeper.advance([A]), null);
    t.strictSame(w.stored?.members, ["A", "B", "W"]);
  }
});

t.test("the witness knows that one alone has stored that it goes on", async (t) => {
  const { keeper, w, A } = await witnessed();
  await keeper.advance([A]);
  t.equal(await keeper.tell(), true);
  t.match(w.stored, { members: ["A"], generation: 3, heldByAll: 3 });
});

/** Copies of these names and a witness. */
async function witnessedBy(ids: string[]) {
  const order: string[] = [];
  const fakes = ids.map((id) => holder(id, order));
  const keeper = new RecordKeeper("v", {
    ...{ generation: 1, members: [...ids, "W"], witnesses: ["W"], engineId: "e", engineBootId: "" },
    ...BARE_RECORD,
  });
  const holders = fakes.map(as);
  const w = holder("W", order, false);
  await keeper.takeOver(holders, [], as(w));
  const without = (...gone: number[]) =>
    keeper.advance(
      holders.filter((_, at) => !gone.includes(at)),
      { others: holders.filter((_, at) => gone.includes(at)) },
    );
  return { fakes, without, w };
}

t.test(
  "of two that go at once each is left out without the other's word, where the rest is enough",
  async (t) => {
    const { fakes, without } = await witnessedBy(["A", "B", "C", "D"]);
    for (const fake of fakes.slice(0, 2)) fake.answers = "is away";
    const done = await without(0);
    t.strictSame(
      done?.survivors.map(({ replicaId }) => replicaId),
      ["C", "D"],
    );
  },
);

t.test("one goes, another has lost its writes: the third is gone on with", async (t) => {
  const { fakes, without } = await witnessedBy(["A", "B", "C"]);
  const [a, b, c] = fakes;
  if (a !== undefined) a.answers = "is away";
  if (b !== undefined) b.lost = true;
  t.strictSame(
    (await without(0))?.survivors.map(({ replicaId }) => replicaId),
    ["C"],
  );
  for (const fake of [b, c]) t.strictSame(fake?.stored?.members, ["C"], "B has stored that it is none");
});

t.test("one that joined, and goes before the next record, has not gone back", async (t) => {
  const { keeper, a, A, B } = await witnessed();
  const c = holder("C", []);
  const C = as(c);
  await keeper.admit(C);
  await keeper.advance([A, B, C], { stillAbsent: ["C"] });
  c.answers = "is away";
  await keeper.advance([A, B, C]);
  t.match(a.stored?.absent, [{ replicaId: "C", heldAtLeast: 0 }]);
});

t.test("what one may have stored does not count once it went back", async (t) => {
  const { keeper, b, A, B } = await witnessed();
  b.answers = "stores, and its answer is lost";
  t.equal(await keeper.advance([B], { others: [A] }), null);
  t.equal(await keeper.advance([A], { others: [B] }), null, "B may be started from alone");
  if (b.stored !== null) b.stored = { ...b.stored, generation: 1, engineId: "before" };
  t.not(await keeper.advance([A], { others: [B] }), null);
});

t.test("the witness is not told that one is left out for another that is damaged", async (t) => {
  const { keeper, a, b, w, A, B } = await witnessed();
  a.unfit = "its chain is damaged";
  b.answers = "is away";
  t.equal(await keeper.advance([A], { others: [B] }), null);
  t.strictSame(w.stored?.members, ["A", "B", "W"]);
  b.answers = "stores";
  t.not(await keeper.advance([B], { others: [A] }), null);
});

t.test("one that went back to before this engine is not counted on to store that it is none", async (t) => {
  const { fakes, without, w } = await witnessedBy(["A", "B", "C"]);
  const [a, b] = fakes;
  if (a !== undefined) a.answers = "is away";
  if (b?.stored) Object.assign(b, { stored: { ...b.stored, generation: 1, engineId: "before" }, lost: true });
  t.equal(await without(0), null);
  t.strictSame(w.stored?.members, ["A", "B", "C", "W"], "nor is the witness told in vain");
});

t.test(
  "the witness is not told that two are left out at once, of whom one has to store that it is",
  async (t) => {
    const { fakes, without, w } = await witnessedBy(["A", "B", "C"]);
    const [a, b, c] = fakes;
    for (const fake of [a, b]) if (fake !== undefined) fake.answers = "is away";
    t.equal(await without(0, 1), null);
    t.strictSame(w.stored?.members, ["A", "B", "C", "W"]);
    // Whatever became of what it holds.
    if (b !== undefined) Object.assign(b, { answers: "stores", unfit: "its chain is damaged" });
    t.not(await without(0, 1), null);
    for (const fake of [b, c, w]) t.strictSame(fake?.stored?.members, ["C"]);
  },
);

t.test("... and fences where another engine has that one", async (t) => {
  const { fakes, without, w } = await witnessedBy(["A", "B", "C"]);
  const [a, b] = fakes;
  if (a !== undefined) a.answers = "is away";
  if (b?.stored) b.stored = { ...b.stored, generation: 9, engineId: "another" };
  await t.rejects(without(0, 1), FencedError);
  t.strictSame(w.stored?.members, ["A", "B", "C", "W"]);
});
