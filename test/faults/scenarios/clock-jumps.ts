import { readFileSync } from "node:fs";
import { scenario } from "../scenario.js";
import { sleep } from "../../tools/process.js";
import { makeClock, type Clock } from "../world/clock.js";
import type { World } from "../world/world.js";

const DAY_S = 86_400;
const clocks = new WeakMap<World, Clock[]>();

export default scenario(
  "wall clocks of replica and engine jump by days, forth and back",
  {
    prepare: async (world) => {
      const { a, engine } = world;
      clocks.set(world, [await makeClock(world, "a", [a]), await makeClock(world, "e", [engine])]);
    },
  },
  async (world) => {
    for (const clock of clocks.get(world) ?? []) {
      for (const days of [30, -30, 0]) {
        clock.jump(days * DAY_S);
        await sleep(500);
        await world.load.progress(200);
      }
    }
    for (const { process } of [world.a, world.engine])
      world.struck(
        "its clock is ours",
        readFileSync(`/proc/${process.pid}/maps`, "utf8").includes("clock_jump"),
      );
    await world.a.kill();
    clocks.get(world)?.[0]?.jump(-365 * DAY_S);
    world.a.start();
    await world.load.progress(200);
    await world.healthy();
  },
);
