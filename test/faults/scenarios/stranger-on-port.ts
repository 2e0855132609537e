import { scenario } from "../scenario.js";
import { Stranger } from "../world/stranger.js";

export default scenario("a replica is gone, and something else answers on its ports", {}, async (world) => {
  const { a, engine, load } = world;
  await world.moment();
  await a.kill();
  const stranger = new Stranger(world, a);
  await engine.until("the replica to be left out", ({ replicas }) => replicas[0]?.mode === "ERR");
  await load.progress(1000);
  await stranger.leave();
  a.start();
  await world.healthy();
});
