import { scenario } from "../scenario.js";

export default scenario(
  "engine and replicas are killed at the same moment, and started again",
  { quick: true },
  async (world) => {
    const { a, b, engine, load } = world;
    for (let times = 0; times < 2; times++) {
      await world.moment();
      for (const { process } of [engine, a, b]) process.signal("SIGKILL");
      for (const { process } of [engine, a, b]) await process.ended();
      for (const replica of [a, b]) replica.start();
      await engine.mustStart();
      await load.progress(200);
    }
  },
);
