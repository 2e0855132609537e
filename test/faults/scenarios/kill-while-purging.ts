import { scenario } from "../scenario.js";
import { LONGHORN } from "../world/command-line.js";
import { purged, startPurge, takeSnapshot } from "../world/snapshots.js";

export default scenario(
  "a replica is killed while snapshots are merged, and comes back",
  { commandLine: LONGHORN },
  async (world) => {
    const { engine, load } = world;
    for (const replica of [...world.replicas, world.a]) {
      for (let snapshots = 0; snapshots < 2; snapshots++) {
        await takeSnapshot(engine);
        await load.progress(300);
      }
      await startPurge(engine);
      await world.moment(200);
      await replica.kill();
      replica.start();
      await load.progress(100);
      await world.healthy();
      await startPurge(engine); // what was broken off is gone on with
      await purged(engine);
    }
  },
);
