import { scenario } from "../scenario.js";

export default scenario("a replica is killed, left out, and started again later", {}, async (world) => {
  const { b, engine, load } = world;
  await world.moment();
  await b.kill();
  await engine.until("the replica to be left out", ({ replicas }) => replicas[1]?.mode === "ERR");
  await load.progress(1000);
  b.start();
  await world.healthy();
});
