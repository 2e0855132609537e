import t from "tap";
import {
  decideEnd,
  decidePrepare,
  newestWith,
  type EngineChange,
  type EngineChanges,
} from "./engine-change.js";

const of = (engineId: string, change: number): EngineChange => ({ engineId, change });
const NOTHING: EngineChanges = { prepared: null, newest: null };
const SECOND: EngineChanges = { prepared: of("e", 2), newest: of("e", 2) };
const OVER: EngineChanges = { ...SECOND, prepared: null };
const UNNUMBERED: EngineChanges = { prepared: of("old", 0), newest: null };

t.test("each change is prepared once, and ended by what names it", (t) => {
  const cases: [string, EngineChanges, EngineChange, boolean, boolean][] = [
    ["the first", NOTHING, of("e", 1), true, false],
    ["the next", OVER, of("e", 3), true, false],
    ["the next, while one is prepared", SECOND, of("e", 3), true, false],
    ["what is prepared", SECOND, of("e", 2), true, true],
    ["what was", OVER, of("e", 2), false, false],
    ["an earlier one", SECOND, of("e", 1), false, false],
    ["an earlier one that was over", OVER, of("e", 1), false, false],
    ["the same number of the next engine", SECOND, of("f", 2), true, false],
    ["a lower number of the next engine", OVER, of("f", 1), true, false],
    ["no number", NOTHING, of("old", 0), true, false],
    ["no number again", UNNUMBERED, of("old", 0), true, true],
    ["no number of another engine", UNNUMBERED, of("e", 0), true, false],
    ["a number, where none is known", UNNUMBERED, of("e", 1), true, false],
    ["no number, where one is known", SECOND, of("f", 0), true, false],
  ];
  for (const [what, changes, asked, prepared, ended] of cases) {
    t.equal(decidePrepare(changes, asked).accept, prepared, `prepare: ${what}`);
    t.equal(decideEnd(changes, asked).accept, ended, `end: ${what}`);
  }
  t.end();
});

t.test("the newest is the highest number of the engine that asked last", (t) => {
  t.strictSame(newestWith(NOTHING, of("e", 1)), of("e", 1));
  t.strictSame(newestWith(SECOND, of("e", 3)), of("e", 3));
  t.strictSame(newestWith(SECOND, of("e", 1)), of("e", 2));
  t.strictSame(newestWith(SECOND, of("f", 1)), of("f", 1));
  t.strictSame(newestWith(SECOND, of("f", 0)), of("e", 2));
  t.end();
});
