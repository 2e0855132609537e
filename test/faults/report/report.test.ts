import t from "tap";
import type { Judgement, Result } from "../judge.js";
import { page } from "./html.js";
import { line, summary } from "./text.js";

function result(scenario: string, order: Judgement, logs: string | null): Result {
  const kept: Judgement = { type: "kept" };
  const open: Judgement = { type: "open", why: "nothing to judge it by" };
  return {
    ...{ scenario, about: "it <dies>", seed: 7, seconds: 1.5, notes: ["another way"], logs },
    counts: { reads: 1, writes: 2, unmaps: 3, flushes: 4, errors: 5, lost: 6 },
    promises: { errors: kept, order, durable: open, equal: kept, healthy: kept, clear: open, struck: kept },
  };
}

const good = result("good", { type: "kept" }, null);
const bad = result("bad", { type: "broken", seen: ["sector 1: a stale read"] }, "/logs");

t.test("what is broken is told with what was seen and how to see it again", async (t) => {
  t.match(line(good), /^good .* order ok/);
  t.notMatch(line(good), /again/);
  t.match(line(good), /note: another way/);
  t.match(line(bad), /order BROKEN/);
  t.match(line(bad), /sector 1: a stale read/);
  t.match(line(bad), /test\/faults\/run bad --seed 7/);
  t.match(summary([good, bad]), /^30 operations answered, 10 of them with an error, 12 unanswered$/m);
  t.match(summary([good, bad]), /^1 passed, 1 failed$/m);
});

t.test("the page shows every promise of every scenario", async (t) => {
  const finds = [{ bug: "x", about: "y", scenario: "good", rounds: 1, seconds: 2, found: "order: z" }];
  const html = page([good, bad], finds);
  t.equal(html.match(/<rect /g)?.length, 14);
  t.match(html, "another way");
  t.match(html, "bad: the history is legal: broken");
  t.match(html, "it &lt;dies&gt;");
  t.match(html, "order: z");
});
