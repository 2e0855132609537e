import { scenario } from "../scenario.js";
import { cutEverything } from "../world/power.js";

export default scenario(
  "all machines lose their power at once, three times (replicas without the page cache)",
  {
    prepare: async (world) => {
      for (const replica of world.replicas) {
        await world.disk(replica);
        replica.flags = ["--cache", "none"];
      }
    },
  },
  async (world) => {
    for (let times = 0; times < 3; times++) {
      await world.load.progress(200);
      await world.moment();
      await cutEverything(world);
    }
  },
);
