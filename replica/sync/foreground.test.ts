import t from "tap";
import { Foreground } from "./foreground.js";
import { FOREGROUND_LOOK_MS, FOREGROUND_QUIET_MS } from "./limits.js";

t.test("users are at work until nothing has come from them for a while", (t) => {
  const world = { operations: 100, now: 5_000 };
  const foreground = new Foreground(
    () => world.operations,
    () => world.now,
  );
  t.equal(foreground.isActive(), true, "nobody knows yet");
  world.now += FOREGROUND_LOOK_MS - 1;
  t.equal(foreground.isActive(), true);
  world.now += 1;
  t.equal(foreground.isActive(), false, "for a moment only");
  world.operations += 1;
  t.equal(foreground.isActive(), true);
  world.now += FOREGROUND_QUIET_MS - 1;
  t.equal(foreground.isActive(), true);
  world.now += 1;
  t.equal(foreground.isActive(), false);
  world.operations = 0;
  t.equal(foreground.isActive(), true, "the replica was opened anew");
  t.end();
});

t.test("what was done long ago says nothing of now", (t) => {
  const world = { operations: 100, now: 5_000 };
  const foreground = new Foreground(
    () => world.operations,
    () => world.now,
  );
  foreground.isActive();
  world.operations += 1_000;
  world.now += 3_600_000;
  t.equal(foreground.isActive(), true, "nobody knows");
  world.now += FOREGROUND_LOOK_MS;
  t.equal(foreground.isActive(), false);
  t.end();
});
