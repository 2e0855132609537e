import { scenario } from "../scenario.js";

export default scenario("the engine is upgraded under load, three times", { quick: true }, async (world) => {
  const { engine, load } = world;
  for (let times = 0; times < 3; times++) {
    await world.moment();
    const { process } = engine;
    await engine.mustStart(["--upgrade"]);
    await process.ended();
    world.struck("another process serves", engine.process !== process);
    await load.progress(300);
  }
});
