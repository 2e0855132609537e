import { scenario } from "../scenario.js";
import { LONGHORN } from "../world/command-line.js";
import { cutEverything } from "../world/power.js";
import { startPurge, takeSnapshot } from "../world/snapshots.js";

export default scenario(
  "all machines lose their power while snapshots are merged, four times",
  {
    commandLine: LONGHORN,
    prepare: async (world) => {
      for (const replica of world.replicas) await world.disk(replica);
    },
  },
  async (world) => {
    const { engine, load } = world;
    for (let times = 0; times < 4; times++) {
      for (let snapshots = 0; snapshots < 2; snapshots++) {
        await takeSnapshot(engine);
        await load.progress(300);
      }
      await startPurge(engine);
      await world.moment(200);
      await cutEverything(world);
      await world.healthy();
    }
  },
);
