import fc from "fast-check";
import t from "tap";
import { Window } from "./window.js";

t.test("neither bound is ever passed, everybody gets in, in order", async (t) => {
  const request = fc.integer({ min: 0, max: 40 });
  await fc.assert(
    fc.asyncProperty(
      fc.array(request, { maxLength: 60 }),
      fc.integer({ min: 1, max: 5 }),
      async (sizes, requestsMax) => {
        const bytesMax = 50;
        const window = new Window(requestsMax, bytesMax);
        let requests = 0;
        let bytes = 0;
        const order: number[] = [];
        await Promise.all(
          sizes.map(async (size, i) => {
            await window.enter(size);
            order.push(i);
            requests++;
            bytes += size;
            if (requests > requestsMax || bytes > bytesMax)
              throw new Error(`${requests} requests, ${bytes} bytes`);
            await new Promise(setImmediate);
            requests--;
            bytes -= size;
            window.leave(size);
          }),
        );
        t.strictSame(order, sizes.map((_, i) => i)); // prettier-ignore
      },
    ),
    { numRuns: 50 },
  );
});

t.test("a request above the bound is let in alone", async (t) => {
  const window = new Window(10, 100);
  await window.enter(1000);
  let second = false;
  const waiting = window.enter(1).then(() => (second = true));
  await new Promise(setImmediate);
  t.equal(second, false);
  window.leave(1000);
  await waiting;
  t.equal(second, true);
});

t.test("closing refuses those who wait and those who come", async (t) => {
  const window = new Window(1, 100);
  await window.enter(1);
  const waiting = window.enter(1);
  window.close(new Error("gone"));
  await t.rejects(waiting, { message: "gone" });
  await t.rejects(window.enter(1), { message: "gone" });
});
