import { scenario } from "../scenario.js";
import { cutOne } from "../world/power.js";

export default scenario(
  "a replica's machine loses its power, then the other one's",
  {
    quick: true,
    prepare: async (world) => {
      for (const replica of world.replicas) await world.disk(replica);
    },
  },
  async (world) => {
    for (const replica of world.replicas) {
      await world.moment();
      await cutOne(world, replica);
      await world.load.progress(200);
      await world.healthy();
    }
  },
);
