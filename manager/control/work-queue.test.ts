import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
import t from "tap";
import { WorkQueue } from "./work-queue.js";

const silent = pino({ level: "silent" });

t.test("a key is worked on by one worker at a time, and again when it was added meanwhile", async (t) => {
  let busy = 0;
  let runs = 0;
  let release: () => void = () => undefined;
  const queue = new WorkQueue(async () => {
    t.equal(++busy, 1);
    runs++;
    if (runs === 1) await new Promise<void>((resolve) => (release = resolve));
    busy--;
    return null;
  }, silent);
  queue.add("a");
  await sleep(1);
  for (let i = 0; i < 10; i++) queue.add("a");
  release();
  while (runs < 2) await sleep(1);
  await queue.stop();
  t.equal(runs, 2);
});

t.test(
  "work that failed is tried again, other keys are not held up, and the earliest time counts",
  async (t) => {
    const done: string[] = [];
    let failures = 2;
    const queue = new WorkQueue((key) => {
      if (key === "bad" && failures-- > 0) return Promise.reject(new Error("not yet"));
      done.push(key);
      return Promise.resolve(null);
    }, silent);
    queue.addAt("later", Date.now() + 60_000);
    queue.addAt("later", Date.now() + 1);
    queue.addAt("later", Date.now() + 60_000);
    queue.add("bad");
    queue.add("good");
    while (done.length < 3) await sleep(5);
    t.strictSame(done.sort(), ["bad", "good", "later"]);
    await queue.stop();
    queue.add("good");
    await sleep(5);
    t.equal(done.length, 3);
  },
);

t.test("stopping waits for what is under way, and takes nothing more", async (t) => {
  let ended = false;
  const queue = new WorkQueue(async () => {
    await sleep(20);
    ended = true;
    return Date.now();
  }, silent);
  queue.add("a");
  await queue.stop();
  t.equal(ended, true);
});
