import { scenario } from "../scenario.js";

export default scenario("the engine is killed under load, and started again", {}, async (world) => {
  const { engine, load } = world;
  for (let times = 0; times < 3; times++) {
    await world.moment();
    await engine.kill();
    await engine.mustStart();
    await load.progress(200);
  }
});
