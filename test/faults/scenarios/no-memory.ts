import { scenario } from "../scenario.js";
import { runOutOfMemory } from "../world/memory.js";

export default scenario(
  "the kernel kills a replica, then the engine, for want of memory",
  {},
  async (world) => {
    const { b, engine, load } = world;
    await runOutOfMemory(world, b.process);
    b.start();
    await load.progress(200);
    await world.healthy();
    await runOutOfMemory(world, engine.process);
    await engine.mustStart();
    await load.progress(200);
  },
);
