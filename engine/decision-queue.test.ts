import t from "tap";
import { DecisionQueue } from "./decision-queue.js";

const tick = (ms = 0) => new Promise<void>((wake) => setTimeout(wake, ms));

t.test("decisions are made one after the other, in the order asked for", async (t) => {
  const queue = new DecisionQueue({ signal: new AbortController().signal, onError: () => undefined });
  const order: string[] = [];
  const slow = queue.run(async () => {
    order.push("first begins");
    await tick(5);
    order.push("first ends");
  });
  const fast = queue.run(async () => order.push("second"));
  await Promise.all([slow, fast]);
  t.strictSame(order, ["first begins", "first ends", "second"]);
});

t.test("a decision that fails tells whoever asked, and the next one is made", async (t) => {
  const errors: unknown[] = [];
  const queue = new DecisionQueue({ signal: new AbortController().signal, onError: (e) => errors.push(e) });
  await t.rejects(
    queue.run(() => Promise.reject(new Error("asked"))),
    { message: "asked" },
  );
  queue.post(() => Promise.reject(new Error("posted")));
  t.equal(await queue.run(async () => 7), 7);
  t.match(errors, [{ message: "posted" }]);
});

t.test("what was put off is not decided any more once all ends", async (t) => {
  const stop = new AbortController();
  const queue = new DecisionQueue({ signal: stop.signal, onError: () => undefined });
  const made: string[] = [];
  const decide = (name: string) => () => {
    made.push(name);
    return Promise.resolve();
  };
  queue.later(decide("in time"), 0);
  await tick(5);
  queue.later(decide("too late"), 1);
  stop.abort();
  await tick(10);
  t.strictSame(made, ["in time"]);
});
