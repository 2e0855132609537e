import { scenario } from "../scenario.js";

export default scenario(
  "engine and a replica lose each other for seconds",
  { quick: true },
  async (world) => {
    const { engine, load, network } = world;
    await world.moment();
    await network.between("e", "a", { drop: 100 });
    await engine.until("the replica to be left out", ({ replicas }) => replicas[0]?.mode === "ERR");
    await load.progress(500);
    await network.heal();
    await world.healthy();
  },
);
