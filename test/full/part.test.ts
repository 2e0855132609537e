import t from "tap";
import { PARTS, type Outcome } from "./part.js";
import { headline, text, type PartResult } from "./report.js";

function read(name: string, output: string): Outcome {
  const part = PARTS.find((each) => each.name === name);
  if (part === undefined) throw new Error(`there is no part ${name}`);
  return part.read(output, "/nowhere");
}

t.test("what each part says is counted", async (t) => {
  const seeds =
    "60 seeds from 1, 1 failed; 16114 operations, 15204 acknowledged, 249104 events, 1 directories emptied";
  t.match(read("simulator", `ok\n${seeds}\n`), { numbers: { seeds: 60, operations: 16114 }, violations: 1 });
  t.match(read("exhaustive-managed", "171 sequences, 8 of 165432 crash points, 2 failed, in 9.0 s\n"), {
    numbers: { sequences: 171, "crash points": 8 },
    violations: 2,
  });
  t.match(
    read("simulator-bugs", "ok - skip: it: SEED=3, after 1.5 s: lost\nnot ok - b: not found by 300 seeds\n")
      .bugs,
    [
      { judge: "simulator", name: "skip: it", about: "lost", seconds: 1.5 },
      { name: "b", seconds: null },
    ],
  );
  t.match(read("fuzzers", "Done 10 runs in 1 second(s)\nDone 5 runs in 1 second(s)\n1 passed, 1 failed\n"), {
    numbers: { targets: 2, inputs: 15 },
    violations: 1,
  });
});

t.test("a part that left nothing behind has counted nothing", async (t) => {
  for (const name of ["rig", "power-cuts"])
    t.ok(
      Object.values(read(name, "").numbers).every((count) => count === 0),
      name,
    );
  t.same(read("simulator", "").numbers, { seeds: 0, operations: 0, acknowledged: 0, events: 0 });
});

t.test("the report has the sums, and every bug with the time it took", async (t) => {
  const part = (name: string, more: Partial<PartResult>): PartResult => ({
    ...{ name, about: "", command: "", seconds: 2, numbers: {}, violations: 0, bugs: [], scenarios: [] },
    failure: "",
    ...more,
  });
  const parts = [
    part("one", { numbers: { operations: 3, seeds: 1 } }),
    part("two", { numbers: { operations: 4 }, violations: 1, failure: "1 violations" }),
    part("three", { bugs: [{ judge: "rig", name: "early", about: "answers early", seconds: 1.25 }] }),
  ];
  t.equal(headline(parts), "1 seeds, 7 operations, 6 s: 1 violations; 1 of 1 planted bugs found");
  t.match(text(parts), /rig +1\.3 s {2}early: answers early/);
  t.match(text(parts), /^2 passed, 1 failed$/m);
});
