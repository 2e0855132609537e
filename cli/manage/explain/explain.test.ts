/** All that is said in all situations: people act by it, so each word of it is looked at when it changes. */
import { readFileSync } from "node:fs";
import t from "tap";
import { explain } from "./explain.js";
import { salvageMeaning } from "./lost.js";
import { failed, replica } from "./testing/facts.js";
import { CASES } from "./testing/cases.js";
import { explanationText } from "./text.js";

const said = readFileSync(
  new URL("../../../../cli/manage/explain/testing/said.txt", import.meta.url),
  "utf8",
);
const texts = new Map(
  said
    .split(/^=== /m)
    .slice(1)
    .map((part) => {
      const [name = "", ...lines] = part.split("\n");
      return [name, lines.join("\n").trimEnd()];
    }),
);

for (const [name, facts] of Object.entries(CASES)) {
  t.test(name, (t) => {
    t.equal(explanationText(explain(facts), 100).trimEnd(), texts.get(name));
    t.end();
  });
}

t.test("each situation has its text, and each text its situation", (t) => {
  t.strictSame([...texts.keys()], Object.keys(CASES));
  t.end();
});

t.test("a step that may lose data says so in the same breath", (t) => {
  for (const [name, facts] of Object.entries(CASES)) {
    const { findings } = explain(facts);
    const steps = findings.flatMap(({ next }) => next);
    for (const step of steps) {
      if (/--force/.test(step)) t.match(step, /(is|may be) lost/, name);
      if (/volume salvage/.test(step) && !leavesOutTheLatest(facts.volume.replicas, step)) continue;
      if (/volume salvage/.test(step)) t.match(step, /^Only if .* gone for good.*may be lost/, name);
    }
  }
  t.end();
});

t.test("who salvages other replicas than those that failed last is told what may be lost", (t) => {
  const replicas = [failed(1, 10), failed(2, 50), failed(3, 50), replica(4)];
  t.equal(
    salvageMeaning(replicas, ["data-r-2", "data-r-3"]),
    "What these replicas have, which failed last, is counted as the volume's data.",
  );
  t.equal(
    salvageMeaning(replicas, ["data-r-1"]),
    "data-r-2 on node-2, failed 2026-01-01T11:50:00Z, and data-r-3 on node-3, failed 2026-01-01T11:50:00Z, are not among them, and may be newer. " +
      "What was written after 2026-01-01T11:10:00Z (data-r-1) may be lost, for good.",
  );
  t.match(salvageMeaning(replicas, ["data-r-2"]), /^data-r-3 on node-3, .* may be newer/);
  t.end();
});

function leavesOutTheLatest(replicas: { name: string; failedAt: string }[], step: string): boolean {
  const latest = replicas
    .map(({ failedAt }) => failedAt)
    .sort()
    .at(-1);
  const salvaged = /volume salvage data((?: data-r-\d)+)/.exec(step)?.[1]?.trim().split(" ") ?? [];
  return !replicas.filter(({ failedAt }) => failedAt === latest).every(({ name }) => salvaged.includes(name));
}
