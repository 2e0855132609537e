import { rmSync } from "node:fs";
import { join } from "node:path";
import { sleep } from "../../tools/process.js";
import { scenario } from "../scenario.js";
import { fill, isFull } from "../world/ballast.js";

export default scenario(
  "all disks are full, and have room again later: writes fail meanwhile, no copy is lost",
  {
    except: { errors: "there is no room for what is written" },
    prepare: async (world) => {
      for (const replica of world.replicas) await world.disk(replica, "ext4", 64);
    },
  },
  async (world) => {
    const { engine, replicas, load } = world;
    const ballasts = replicas.map(({ directory }) => join(directory, "..", "ballast"));
    await world.moment();
    for (const ballast of ballasts) fill(ballast);
    for (const { directory } of replicas) world.struck("the disk is full", isFull(directory));
    await sleep(3_000);
    const status = await engine.status();
    world.clearly("a copy serves all the time", status?.replicas.some(({ mode }) => mode === "RW") === true);
    for (const ballast of ballasts) rmSync(ballast);
    for (const replica of replicas) {
      if ((await engine.status())?.replicas.some(({ mode }) => mode === "ERR") !== true) break;
      await replica.kill();
      replica.start();
    }
    await load.progress(500);
    await world.healthy();
  },
);
