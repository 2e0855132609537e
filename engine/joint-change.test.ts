import { setTimeout as sleep } from "node:timers/promises";
import { status } from "@grpc/grpc-js";
import t, { type Test } from "tap";
import type { Volume } from "../native/index.js";
import type { ChangeRequest, MemberRecord } from "../proto/control.js";
import { RpcError } from "../proto/rpc-error.js";
import { Dropping } from "./dropping.js";
import { JointChanges } from "./joint-change.js";
import { NOTHING_STORED } from "./record-keeper.js";
import { FencedError, type ReplicaLink } from "./replica-link.js";
import { newSlot, type Slot } from "./slot.js";
import { SnapshotFollowers } from "./snapshot-followers.js";
import { rosterOf } from "./testing/roster.js";

/** A replica that has a head. */
class Replica {
  head = 0;
  /** calls of a change in two parts, with its number */
  readonly calls: string[] = [];
  cannotPrepare = false;
  hangs = false;
  /** what it had prepared is gone when it is to be committed */
  forgets = false;
  /** records that are not stored, as they come after what takes long */
  unheard = 0;
  isFull = false;
  /** in its turn */
  answers = true;
  /** what takes long makes another head in the end */
  changesLate = false;
  readonly stored: MemberRecord[] = [];
  readonly slot: Slot;

  constructor(index: number, replicaId: string) {
    const link = {
      identify: () => Promise.resolve({ chain: [`volume-head-00${this.head}.img`], chainCreated: [""] }),
      record: (_volume: string, _id: string, record: MemberRecord) => {
        if (this.unheard > 0) {
          if (--this.unheard === 0 && this.changesLate) this.head++;
          return Promise.reject(new Error("no answer in time"));
        }
        if (this.isFull) return Promise.reject(new RpcError(status.UNKNOWN, "no space left on device"));
        this.stored.push(record);
        return Promise.resolve();
      },
      inheritedRegions: () =>
        this.answers
          ? Promise.resolve({ regionSize: 1, bitmap: new Uint8Array() })
          : Promise.reject(new RpcError(status.DEADLINE_EXCEEDED, "no answer in time")),
      prepareSnapshot: ({ change }: ChangeRequest) => {
        this.calls.push(`prepare ${change}`);
        if (this.hangs) return new Promise(() => undefined);
        return this.cannotPrepare ? Promise.reject(new Error("no space")) : Promise.resolve();
      },
      commitSnapshot: ({ change }: ChangeRequest) => {
        this.calls.push(`commit ${change}`);
        return this.forgets
          ? Promise.reject(new FencedError("no snapshot is prepared here"))
          : Promise.resolve();
      },
      abandonSnapshot: ({ change }: ChangeRequest) =>
        Promise.resolve(void this.calls.push(`abandon ${change}`)),
    } as unknown as ReplicaLink;
    const known = { index, address: replicaId, replicaId, link, facts: null, readable: true };
    this.slot = newSlot({ ...known, state: { mode: "RW" }, stored: NOTHING_STORED });
  }
}

function changesOf(replicas: Replica[], more: Partial<Volume> = {}): JointChanges {
  const members = replicas.map(({ slot }) => slot.replicaId);
  const done = () => Promise.resolve();
  const volume = {
    quiesce: done,
    resume: done,
    stats: () => ({ differing: 0 }),
    ...more,
  };
  const roster = rosterOf(
    replicas.map(({ slot }) => slot),
    members,
    volume,
  );
  const dropping = new Dropping(roster);
  return new JointChanges(roster, dropping, new SnapshotFollowers(roster, dropping, null));
}

/** `performance.now` stands still. @returns lets ms pass */
function stoppedClock(t: Test): (ms: number) => void {
  const real = Object.getOwnPropertyDescriptor(performance, "now");
  let now = 0;
  Object.defineProperty(performance, "now", { configurable: true, value: () => now });
  t.teardown(() => {
    if (real === undefined) Reflect.deleteProperty(performance, "now");
    else Object.defineProperty(performance, "now", real);
  });
  return (ms) => void (now += ms);
}

/** @param doing addresses of those that make a change although they do not say so
 * @param failed how many then count as failed */
async function unanswered(doing: string[], failed: number, reverts = false) {
  const replicas = [new Replica(0, "a"), new Replica(1, "b"), new Replica(2, "c")];
  const failures = await changesOf(replicas).make({
    reverts,
    apply: (address) => {
      for (const replica of replicas)
        if (replica.slot.address === address && doing.includes(address)) replica.head++;
      return Promise.reject(new Error("no answer in time"));
    },
  });
  t.equal(failures.size, failed);
  return { replicas, modes: replicas.map(({ slot }) => slot.state.mode).join(" ") };
}

void t.test("who made a change of which nobody told is no copy beside those that did not", async (t) => {
  const { replicas, modes } = await unanswered(["b"], 3);
  t.equal(modes, "RW ERR RW");
  const last = replicas[0]?.stored.at(-1);
  t.strictSame(last?.members, ["a", "c"]);
  t.strictSame(
    last?.absent.map(({ replicaId }) => replicaId),
    ["b"],
  );
});

void t.test("a copy that does not have prepared any more what it is to commit makes the whole", async (t) => {
  const replicas = [new Replica(0, "a"), new Replica(1, "b")];
  Object.assign(replicas[0] as Replica, { forgets: true });
  const whole: string[] = [];
  const failures = await changesOf(replicas, { flush: () => Promise.resolve() }).make({
    apply: (address) => Promise.resolve(void whole.push(address)),
    snapshot: {
      request: { name: "s", userCreated: true, created: "now", labels: {}, expandTo: 0 },
      commitTimeoutMs: 1_000,
    },
  });
  t.equal(failures.size, 0);
  t.strictSame(whole, ["a"]);
  t.strictSame(
    replicas.map(({ slot, stored }) => `${slot.state.mode} ${stored.length}`),
    ["RW 0", "RW 0"],
    "nobody is dropped",
  );
});

void t.test("where all refused, or all made it, all stay", async (t) => {
  t.equal((await unanswered([], 3)).modes, "RW RW RW");
  t.equal((await unanswered(["a", "b", "c"], 0)).modes, "RW RW RW", "and it is made");
});

void t.test(
  "I/O waits for a revert that nobody has answered, until it cannot be made any more",
  async (t) => {
    for (const isMade of [false, true]) {
      const replicas = [new Replica(0, "a"), new Replica(1, "b")];
      const events: string[] = [];
      const resume = () => Promise.resolve(void events.push("resumed"));
      const make = changesOf(replicas, { resume }).make({
        reverts: true,
        apply: () => {
          // The disk is at it: whatever comes after it waits.
          for (const replica of replicas) Object.assign(replica, { unheard: 8, changesLate: isMade });
          return Promise.reject(new Error("no answer in time"));
        },
      });
      while (replicas.some(({ unheard }) => unheard > 0)) {
        t.strictSame(events, []);
        await sleep(5);
      }
      if (isMade) for (const replica of replicas) replica.head++;
      t.equal((await make).size, isMade ? 0 : 2);
      t.strictSame(events, ["resumed"]);
      t.strictSame(replicas.map(({ slot }) => slot.state.mode).join(" "), "RW RW");
      t.equal(replicas[0]?.stored.at(-1)?.reverting, "");
    }
  },
);

void t.test(
  "full copies, of which one has not answered, go on when all have answered something else",
  async (t) => {
    const pass = stoppedClock(t);
    const [a, b] = [new Replica(0, "a"), new Replica(1, "b")];
    const made = changesOf([a, b]).make({
      apply: (address) => {
        for (const replica of [a, b]) replica.isFull = true;
        b.answers = false;
        if (address === "a") return Promise.reject(new RpcError(status.UNKNOWN, "no space left on device"));
        return Promise.reject(new RpcError(status.DEADLINE_EXCEEDED, "no answer in time"));
      },
    });
    const isOver = () => Promise.race([made.then(() => true), sleep(200).then(() => false)]);
    t.notOk(await isOver());
    pass(60_000);
    t.notOk(await isOver(), "b may be at it");
    b.answers = true;
    t.equal((await made).size, 2);
    for (const replica of [a, b]) replica.isFull = false;
    t.equal(`${a.slot.state.mode} ${b.slot.state.mode}`, "RW RW");
  },
);

void t.test("an end of the volume is not kept waiting by a change that nobody has answered", async (t) => {
  const replicas = [new Replica(0, "a"), new Replica(1, "b")];
  const changes = changesOf(replicas);
  const made = changes.make({
    apply: () => {
      for (const replica of replicas) replica.unheard = Infinity;
      return Promise.reject(new Error("no answer in time"));
    },
  });
  await sleep(100);
  changes.breakOff();
  await t.rejects(made, { message: /ends before it is known who made the change/ });
  // What is to be recorded is tried on and on.
  for (const replica of replicas) replica.unheard = 0;
});

void t.test("a change waits until it is known who made the one before", async (t) => {
  const replicas = [new Replica(0, "a"), new Replica(1, "b")];
  const changes = changesOf(replicas);
  const reverted = changes.make({
    reverts: true,
    apply: () => {
      for (const replica of replicas) replica.unheard = 8;
      return Promise.reject(new Error("no answer in time"));
    },
  });
  const taken = changes.make({
    apply: () => {
      for (const replica of replicas) replica.head++;
      return Promise.resolve();
    },
  });
  t.equal((await reverted).size, 2, "what the other one does to the heads is none of it");
  t.equal((await taken).size, 0);
});

void t.test("what all have refused cannot come again", async (t) => {
  const replicas = [new Replica(0, "a"), new Replica(1, "b")];
  const apply = () => Promise.reject(new RpcError(status.UNKNOWN, "no space left on device"));
  t.equal((await changesOf(replicas).make({ apply })).size, 2);
  for (const { stored } of replicas) t.equal(stored.length, 1, "it is refused behind another record");
});

void t.test("copies that are full, and so record nothing, go on as they were after a while", async (t) => {
  const pass = stoppedClock(t);
  const replicas = [new Replica(0, "a"), new Replica(1, "b")];
  const made = changesOf(replicas).make({
    apply: () => {
      for (const replica of replicas) replica.isFull = true;
      return Promise.reject(new RpcError(status.UNKNOWN, "no space left on device"));
    },
  });
  await sleep(100);
  pass(60_000);
  t.equal((await made).size, 2);
  for (const replica of replicas) replica.isFull = false;
  t.equal(replicas.map(({ slot }) => slot.state.mode).join(" "), "RW RW");
});

void t.test("who made a revert lacks more than what it misses from then on", async (t) => {
  const { replicas, modes } = await unanswered(["a"], 3, true);
  t.equal(modes, "ERR RW RW");
  t.match(
    replicas[1]?.stored.at(-1)?.absent,
    [{ replicaId: "a", excludedAt: 0 }],
    "no map tells what it lacks",
  );
});

void t.test(
  "a revert is recorded before any replica makes it, and until they are known to be alike",
  async (t) => {
    const replicas = [new Replica(0, "a"), new Replica(1, "b")];
    const named = () => replicas.map(({ stored }) => stored.at(-1)?.reverting);
    await changesOf(replicas).make({
      reverts: true,
      apply: (address, created) => {
        t.strictSame(named(), [created, created]);
        return address === "b" ? Promise.reject(new Error("no space")) : Promise.resolve();
      },
    });
    t.equal(replicas[1]?.slot.state.mode, "ERR");
    const [begun, dropped, ended] = replicas[0]?.stored ?? [];
    t.strictSame(begun?.members, ["a", "b"]);
    t.match(dropped, { members: ["a"], absent: [], reverting: begun?.reverting });
    t.match(ended, { members: ["a"], absent: [], reverting: "", leased: false });
  },
);

void t.test("flushes become short before I/O is held; not without end", async (t) => {
  const pass = stoppedClock(t);
  const take = async (flushMs: number[]) => {
    const events: string[] = [];
    const volume: Partial<Volume> = {
      flush: () => {
        events.push("flush");
        pass(flushMs.shift() ?? 0);
        return Promise.resolve();
      },
      quiesce: () => Promise.resolve(void events.push("held")),
    };
    const replicas = [new Replica(0, "a"), new Replica(1, "b")];
    const request = { name: "s", userCreated: true, created: "", labels: {}, expandTo: 0 };
    const failures = await changesOf(replicas, volume).make({
      apply: () => Promise.reject(new Error("it was prepared")),
      snapshot: { request, commitTimeoutMs: 1000 },
    });
    t.equal(failures.size, 0);
    return events.join(" ");
  };
  t.equal(await take([1]), "flush held");
  t.equal(await take([200, 80, 9]), "flush flush flush held");
  t.equal(
    await take(Array.from({ length: 9 }, () => 50)),
    "flush flush flush flush held",
    "who writes too fast waits",
  );
  t.equal(await take([7_000, 7_000]), "flush held", "what is prepared does not stay so for long");
  t.equal(await take([2_000, 2_000, 999, 2_000]), "flush flush flush flush held");
  t.equal(await take([2_000, 2_000, 1_000, 2_000]), "flush flush flush held");
});

void t.test("each attempt of a process has a number, and what ends it has the same", async (t) => {
  const replicas = [new Replica(0, "a"), new Replica(1, "b")];
  const flush = () => Promise.resolve();
  const request = { name: "s", userCreated: true, created: "", labels: {}, expandTo: 0 };
  // The volume may be started anew under the same engine's id, and replicas remember that.
  const take = () =>
    changesOf(replicas, { flush }).make({
      apply: () => Promise.resolve(),
      snapshot: { request, commitTimeoutMs: 1000 },
    });
  await take();
  for (const replica of replicas) replica.cannotPrepare = replica.slot.address === "b";
  await take();
  for (const replica of replicas) replica.cannotPrepare = false;
  await take();
  const first = Number(replicas[0]?.calls[0]?.split(" ")[1]);
  const [second, third] = [first + 1, first + 2];
  const made = [`prepare ${first}`, `commit ${first}`, `prepare ${second}`, `abandon ${second}`];
  for (const { calls } of replicas) t.strictSame(calls, [...made, `prepare ${third}`, `commit ${third}`]);
});

void t.test("whoever is dropped while a change is prepared is not waited for", async (t) => {
  const replicas = [new Replica(0, "a"), new Replica(1, "b")] as const;
  const [stays, hangs] = replicas;
  hangs.hangs = true;
  const request = { name: "s", userCreated: true, created: "", labels: {}, expandTo: 0 };
  const made = changesOf([...replicas], { flush: () => Promise.resolve() }).make({
    apply: () => Promise.reject(new Error("not in two parts")),
    snapshot: { request, commitTimeoutMs: 1000 },
  });
  while (hangs.calls.length === 0) await sleep(1);
  hangs.slot.state = { mode: "ERR", cause: "no answer" };
  t.strictSame(await made, new Map());
  t.match(stays.calls, [/^prepare/, /^commit/]);
  t.equal(hangs.calls.length, 1);
});
