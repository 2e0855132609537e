import t from "tap";
import { aloneSince } from "./quorum.js";

t.test("since when nobody can have gone on behind the back of the copy that is read", (t) => {
  const two = { members: ["A", "B"], witnesses: [] };
  const witnessed = { members: ["A", "B", "W"], witnesses: ["W"] };
  const four = { members: ["A", "B", "C", "D", "W"], witnesses: ["W"] };
  const cases: [string, Parameters<typeof aloneSince>[0], Record<string, number>, number][] = [
    ["whoever starts has to ask it as well", two, {}, Infinity],
    ["it is no member: others may start without it", { members: ["B"], witnesses: [] }, {}, -Infinity],
    ["... unless that one says that it has not happened", { members: ["B"], witnesses: [] }, { B: 5 }, 5],
    ["with a witness, a majority is enough without it", witnessed, {}, -Infinity],
    ["what it says itself is no news", witnessed, { A: 9 }, -Infinity],
    ["one other is enough, the last one counts", witnessed, { B: 3, W: 7 }, 7],
    ["of five, it takes two others", four, { B: 9 }, -Infinity],
    ["... and the second one counts", four, { B: 9, C: 4, W: 6 }, 6],
    ["a set of Longhorn's replicas alone has no record", { members: [], witnesses: [] }, {}, Infinity],
  ];
  for (const [what, voters, askedAt, expected] of cases)
    t.equal(
      aloneSince(voters, "A", (id) => askedAt[id] ?? -Infinity),
      expected,
      what,
    );
  t.end();
});
