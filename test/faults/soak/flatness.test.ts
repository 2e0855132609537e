import t from "tap";
import { flatnessOf } from "./flatness.js";
import { text, verdictOn } from "./report.js";
import type { Sample } from "./samples.js";

const MIB = 1 << 20;

function life(count: number, at: (index: number) => Partial<Sample>) {
  const usual = { uss: 20 * MIB, rss: 60 * MIB, threads: 8, descriptors: 30 };
  const samples = Array.from({ length: count }, (_, index) => ({ ...usual, ...at(index) }));
  return { role: "engine", pid: 1, samples };
}

t.test("noise and what a process needs to warm up are no growth", async (t) => {
  const noisy = life(400, (i) => ({ uss: (i < 90 ? 5 : 20 + (i % 7)) * MIB, descriptors: 30 + (i % 3) }));
  t.strictSame(flatnessOf(noisy)?.grows, []);
  // A few that are far off, at the end of all places.
  t.strictSame(flatnessOf(life(400, (i) => ({ uss: (i > 380 ? 200 : 20) * MIB })))?.grows, []);
});

t.test("what comes with each fault and goes again is no growth, however long it stays", async (t) => {
  const share = (i: number) => (i % 10 < 3 + i / 100 ? 1 : 0); // of the time: from 3 to 7 tenths of it
  const busy = life(400, (i) => ({ uss: (30 + 30 * share(i)) * MIB, descriptors: 38 + 6 * share(i) }));
  t.strictSame(flatnessOf(busy)?.grows, []);
});

t.test("what leaks is seen, each by itself", async (t) => {
  t.strictSame(flatnessOf(life(400, (i) => ({ uss: (20 + i / 20) * MIB })))?.grows, ["uss"]);
  t.strictSame(flatnessOf(life(400, (i) => ({ threads: 8 + Math.floor(i / 80) })))?.grows, ["threads"]);
  t.strictSame(flatnessOf(life(400, (i) => ({ descriptors: 30 + Math.floor(i / 32) })))?.grows, [
    "descriptors",
  ]);
});

t.test("a short life tells nothing of memory, and less nothing at all", async (t) => {
  const short = flatnessOf(life(200, (i) => ({ uss: i * 100 * MIB, descriptors: 30 + i })));
  t.match(short, { quartiles: { uss: null }, grows: ["descriptors"] });
  t.equal(flatnessOf(life(20, (i) => ({ descriptors: 30 + i }))), null);
});

t.test("what leaks is no soak that was survived, and what was not judged is not called flat", async (t) => {
  const survived = {
    ...{
      seed: 1,
      seconds: 2_000,
      faults: {},
      operations: 1,
      errors: 0,
      lost: 0,
      written: 0,
      read: 0,
      blocks: 1,
    },
    ...{ snapshots: 0, verifications: 1, longestRecovery: 0, violations: [] },
  };
  const flat = verdictOn({ ...survived, lives: [life(400, () => ({}))] });
  t.match([flat.passed, text(flat)], [true, /memory +flat in all 1 lives/]);
  const leaking = verdictOn({ ...survived, lives: [life(400, (i) => ({ uss: (20 + i / 20) * MIB }))] });
  t.match([leaking.passed, text(leaking)], [false, /memory +GROWS in 1 of 1 lives/]);
  const short = verdictOn({ ...survived, lives: [life(100, () => ({}))] });
  t.match([short.passed, text(short)], [true, /MiB not judged.*\n.*memory +NOT JUDGED/]);
});
