import t from "tap";
import { Pause } from "./pause.js";

/** ms that no test waits for */
const LONG_MS = 600_000;

t.test("a pause lasts as long as it is told when nobody ends it", async (t) => {
  const begun = performance.now();
  await new Pause().wait(20, new AbortController().signal);
  t.ok(performance.now() - begun >= 19);
});

t.test("it ends when it is ended, also before it has begun, but only once", async (t) => {
  const pause = new Pause();
  const { signal } = new AbortController();
  const waiting = pause.wait(LONG_MS, signal);
  pause.end();
  await waiting;
  pause.end();
  await pause.wait(LONG_MS, signal);
  let over = false;
  const next = pause.wait(LONG_MS, signal).then(() => (over = true));
  await new Promise(setImmediate);
  t.notOk(over);
  pause.end();
  await next;
});

t.test("it ends with the signal, and does not begin when that is aborted", async (t) => {
  const pause = new Pause();
  const stop = new AbortController();
  const waiting = pause.wait(LONG_MS, stop.signal);
  stop.abort();
  await waiting;
  await pause.wait(LONG_MS, stop.signal);
  t.pass();
});
