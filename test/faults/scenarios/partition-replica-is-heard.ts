import { scenario } from "../scenario.js";

export default scenario("a replica is heard by the engine, and does not hear it", {}, async (world) => {
  const { engine, load, network } = world;
  await world.moment();
  await network.set("e", "b", { drop: 100 });
  await engine.until("the replica to be left out", ({ replicas }) => replicas[1]?.mode === "ERR");
  await load.progress(500);
  await network.heal();
  await world.healthy();
});
