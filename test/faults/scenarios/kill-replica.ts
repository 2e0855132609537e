import { scenario } from "../scenario.js";

export default scenario("a replica is killed, and started again at once", { quick: true }, async (world) => {
  const { a, b, load } = world;
  for (const replica of [a, b, a]) {
    await world.moment();
    await replica.kill();
    replica.start();
    await load.progress(200);
    await world.healthy();
  }
});
