import t from "tap";
import { History, SECTOR } from "./history.js";

t.test("after a cut, anything between the last durable and the newest version is right", async (t) => {
  const history = new History(2);
  history.sent(0, 2 * SECTOR, 1);
  history.answered(0, 2 * SECTOR, 1, false);
  history.flushed();
  history.sent(0, SECTOR, 2);
  history.answered(0, SECTOR, 2, false);
  history.sent(0, SECTOR, 3);
  const check = (first: number | "torn", second: number): number =>
    history.check(
      [
        { version: first, sectors: 1 },
        { version: second, sectors: 1 },
      ],
      "durable",
    ).length;
  t.equal(check(1, 1), 0);
  t.equal(check(3, 1), 0);
  t.equal(check(0, 1), 1, "older than durable");
  t.equal(check(4, 1), 1, "never written");
  t.equal(check("torn", 1), 1);
  t.equal(check(1, 2), 1, "a version of another sector");
  t.equal(
    history.check([{ version: 1, sectors: 2 }], "acknowledged").length,
    1,
    "no cut: nothing may be lost",
  );
  t.equal(history.check([{ version: 1, sectors: 1 }], "durable").length, 1, "too little was read");
});

t.test("FUA makes its own range durable at once, and nothing else", async (t) => {
  const history = new History(2);
  history.sent(0, 2 * SECTOR, 1);
  history.answered(0, 2 * SECTOR, 1, false);
  history.sent(SECTOR, SECTOR, 2);
  history.answered(SECTOR, SECTOR, 2, true);
  t.equal(history.check([{ version: 0, sectors: 1 }, { version: 2, sectors: 1 }], "durable").length, 0); // prettier-ignore
  t.equal(history.check([{ version: 1, sectors: 2 }], "durable").length, 1);
});
