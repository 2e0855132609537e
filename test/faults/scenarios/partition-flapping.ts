import { sleep } from "../../tools/process.js";
import { scenario } from "../scenario.js";

export default scenario("links between engine and replicas fail again and again", {}, async (world) => {
  const { load, network } = world;
  for (let times = 0; times < 10; times++) {
    const host = world.random(2) === 0 ? "a" : "b";
    if (world.random(2) === 0) await network.set(host, "e", { drop: 100 });
    else await network.between("e", host, { drop: 100 });
    await sleep(200 + world.random(1_500));
    await network.heal();
    await sleep(world.random(500));
  }
  await load.progress(200);
});
