import { sleep } from "../../tools/process.js";
import { scenario } from "../scenario.js";

export default scenario("the engine is cut off from both replicas for seconds", {}, async (world) => {
  const { load, network } = world;
  await world.moment();
  await network.between("e", "a", { drop: 100 });
  await network.between("e", "b", { drop: 100 });
  await sleep(5_000);
  await network.heal();
  await load.progress(500);
});
