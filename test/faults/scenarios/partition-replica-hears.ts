import { scenario } from "../scenario.js";

export default scenario("a replica hears the engine, and is not heard", {}, async (world) => {
  const { engine, load, network } = world;
  await world.moment();
  await network.set("a", "e", { drop: 100 });
  await engine.until("the replica to be left out", ({ replicas }) => replicas[0]?.mode === "ERR");
  await load.progress(500);
  await network.heal();
  await world.healthy();
});
