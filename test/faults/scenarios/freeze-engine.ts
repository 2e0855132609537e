import { sleep } from "../../tools/process.js";
import { scenario } from "../scenario.js";

export default scenario("the engine stops for four seconds", {}, async (world) => {
  const { engine, load } = world;
  await world.moment();
  engine.freeze();
  await sleep(4_000);
  engine.thaw();
  await load.progress(500);
});
