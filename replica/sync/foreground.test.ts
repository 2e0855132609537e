import t from "tap";
import { Foreground } from "./foreground.js";
import { FOREGROUND_QUIET_MS } from "./limits.js";

t.test("users are at work until nothing has come from them for a while", (t) => {
  const world = { operations: 100, now: 5_000 };
  const foreground = new Foreground(
    () => world.operations,
    () => world.now,
  );
  t.equal(foreground.isActive(), true, "nobody knows yet");
  world.now += FOREGROUND_QUIET_MS - 1;
  t.equal(foreground.isActive(), true);
  world.now += 1;
  t.equal(foreground.isActive(), false);
  world.operations += 1;
  t.equal(foreground.isActive(), true);
  world.now += FOREGROUND_QUIET_MS;
  t.equal(foreground.isActive(), false);
  world.operations = 0;
  t.equal(foreground.isActive(), true, "the replica was opened anew");
  t.end();
});
