import t from "tap";
import { RATE_BURST_MS } from "./limits.js";
import { RateLimit } from "./rate-limit.js";

/** A clock that goes on only while somebody waits. */
function clock(t: { now: number }) {
  return { now: () => t.now, wait: (ms: number) => Promise.resolve((t.now += ms)) };
}

t.test("in the long run no more is let through than the rate allows, whatever the pieces", async (t) => {
  const time = { now: 1_000_000 };
  const limit = new RateLimit({ rate: 1_000, ...clock(time) });
  let sent = 0;
  for (let i = 0; i < 200; i++) {
    const bytes = 1 + ((i * 37) % 90);
    await limit.take(bytes);
    sent += bytes;
    const allowed = time.now - 1_000_000 + RATE_BURST_MS;
    t.ok(sent <= allowed + 0.001, `${sent} bytes after ${time.now - 1_000_000} ms`);
  }
  t.ok(sent >= time.now - 1_000_000, "and not much less");
});

t.test("time without transfers is not saved up", async (t) => {
  const time = { now: 0 };
  const limit = new RateLimit({ rate: 1_000, ...clock(time) });
  await limit.take(1);
  time.now += 3_600_000;
  const before = time.now;
  await limit.take(1_000);
  t.equal(time.now - before, 1_000 - RATE_BURST_MS);
});

t.test("those who wait at the same time share the rate", async (t) => {
  let waited = 0;
  const wait = (ms: number) => Promise.resolve((waited += ms));
  const limit = new RateLimit({ rate: 1_000, now: () => 3_600_000, wait });
  await Promise.all([1, 2, 3].map(() => limit.take(1_000)));
  t.equal(
    waited,
    [1_000, 2_000, 3_000].reduce((sum, ms) => sum + ms - RATE_BURST_MS, 0),
  );
});

t.test("who waits goes on when it does not apply any more", async (t) => {
  const time = { now: 1_000_000 };
  const limit = new RateLimit({ rate: 1_000, applies: () => time.now < 1_000_200, ...clock(time) });
  await limit.take(1_000_000);
  t.equal(time.now, 1_000_200);
});

t.test("without a limit nobody waits", async (t) => {
  const limit = new RateLimit({
    rate: null,
    now: () => 0,
    wait: () => Promise.reject(new Error("waited")),
  });
  await limit.take(1 << 30);
  t.pass();
});

t.test("while it does not apply nobody waits, and nothing is owed for that later", async (t) => {
  const time = { now: 1_000_000 };
  let applies = false;
  const limit = new RateLimit({ rate: 1_000, applies: () => applies, ...clock(time) });
  await limit.take(1 << 30);
  t.equal(time.now, 1_000_000);
  applies = true;
  await limit.take(1_000);
  t.equal(time.now, 1_001_000 - RATE_BURST_MS);
});

t.test("what an engine says counts for a while: more, less, or nothing at all", async (t) => {
  const time = { now: 1_000_000 };
  const limit = new RateLimit({ rate: 1_000, applies: () => true, ...clock(time) });
  const taking = async (bytes: number) => {
    const before = time.now;
    await limit.take(bytes);
    return time.now - before;
  };
  limit.tell(null, 2_000);
  t.equal(await taking(1 << 30), 0);
  limit.tell(10_000, 2_000);
  t.equal(await taking(10_000), 1_000 - RATE_BURST_MS);
  limit.tell(0, 500);
  t.equal(await taking(1_000), 500 + 1_000 - RATE_BURST_MS, "then its own limit");
  t.equal(limit.bytes, (1 << 30) + 11_000);
});

t.test("a limit that holds in any case is not lifted by what an engine says", async (t) => {
  const time = { now: 1_000_000 };
  const limit = new RateLimit({ rate: 1_000, ...clock(time) });
  limit.tell(null, 60_000);
  await limit.take(1_000);
  t.equal(time.now, 1_001_000 - RATE_BURST_MS);
  limit.tell(100, 60_000);
  await limit.take(100);
  t.equal(time.now, 1_002_000 - RATE_BURST_MS);
});
