import t from "tap";
import pino from "pino";
import { setImmediate as turn } from "node:timers/promises";
import type { CopyPacer } from "./copy-pacer.js";
import { Equalizing } from "./equalizing.js";
import { AGREEMENT_COPIES_MAX } from "./limits.js";
import type { Range } from "./region-ranges.js";

const MIB = 1 << 20;
const RANGES: Range[] = Array.from({ length: 40 }, (_, i) => ({ offset: i * 2 * MIB, length: MIB }));

/** A copy whose ranges nobody's pace lets through before `go`, and what has been asked of the volume, each to be ended. */
function equalizing() {
  const asked: { offset: number; end: (error?: Error) => void }[] = [];
  const copied: number[] = [];
  let go: () => void = () => undefined;
  const paced = new Promise<void>((resolve) => (go = resolve));
  const pacer = {
    take: () => paced,
    note: () => undefined,
    during: <T>(work: () => Promise<T>) => work(),
  } as unknown as CopyPacer;
  const state = { wanted: true };
  const copy = new Equalizing({
    volume: {
      copy: (_from, _to, offset, length) =>
        new Promise((resolve, reject) => {
          asked.push({ offset, end: (error) => (error === undefined ? resolve(length) : reject(error)) });
        }),
    },
    ...{ pacer, from: 0, to: 1, ranges: RANGES, wanted: () => state.wanted, onRefused: () => undefined },
    onCopied: (bytes) => copied.push(bytes),
    ...{ signal: new AbortController().signal, log: pino({ enabled: false }) },
  });
  return { copy, asked, copied, go, state };
}

t.test("what somebody waits for is copied before its turn, a few at a time and each once", async (t) => {
  const { copy, asked, copied, go } = equalizing();
  const done = copy.run();
  await turn();
  t.strictSame(asked, [], "there is no room for any at this pace");
  copy.hurry({ offset: 20 * MIB, length: MIB });
  copy.hurry({ offset: 20 * MIB + 512, length: 512 });
  copy.hurry({ offset: 21 * MIB, length: MIB });
  copy.hurry({ offset: 0, length: 20 * MIB });
  await turn();
  t.strictSame(
    asked.map(({ offset }) => offset / MIB),
    [20, 0, 2, 4].slice(0, AGREEMENT_COPIES_MAX),
  );
  go();
  while (copied.length < RANGES.length) {
    for (const { end } of asked) end();
    await turn();
  }
  t.equal(await done, true);
  t.equal(asked.length, RANGES.length);
  t.equal(new Set(asked.map(({ offset }) => offset)).size, RANGES.length);
});

t.test("one that goes while somebody waits for it is not equal", async (t) => {
  const { copy, asked, go, state } = equalizing();
  const done = copy.run();
  copy.hurry({ offset: 0, length: 1 });
  await turn();
  state.wanted = false;
  asked[0]?.end(new Error("gone"));
  go();
  t.equal(await done, false);
});

t.test(
  "nothing is copied any more once it is not wanted: the source may hold what is older by then",
  async (t) => {
    const { copy, asked, go, state } = equalizing();
    const done = copy.run();
    copy.hurry({ offset: 0, length: 12 * MIB });
    await turn();
    t.equal(asked.length, AGREEMENT_COPIES_MAX);
    state.wanted = false;
    for (const { end } of asked.splice(0)) end();
    go();
    t.equal(await done, false);
    copy.hurry({ offset: 30 * MIB, length: 1 });
    await turn();
    t.strictSame(asked, [], "neither what waited for its turn nor what is waited for afterwards");
  },
);
