import { scenario } from "../scenario.js";

export default scenario("the engine's machine loses its power", {}, async (world) => {
  const { engine, load } = world;
  await world.moment();
  await engine.kill();
  engine.reboot();
  await engine.mustStart();
  await load.progress(200);
});
