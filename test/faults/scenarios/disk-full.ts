import { rmSync } from "node:fs";
import { join } from "node:path";
import { scenario } from "../scenario.js";
import { fill, isFull } from "../world/ballast.js";

export default scenario(
  "a replica's disk is full; it has room again, and the replica is started again",
  {
    prepare: async (world) => {
      await world.disk(world.a, "ext4", 64);
    },
  },
  async (world) => {
    const { a, engine, load } = world;
    const ballast = join(a.directory, "..", "ballast");
    await world.moment();
    fill(ballast);
    world.struck("the disk is full", isFull(a.directory));
    const { replicas } = await engine.until(
      "the replica to be left out",
      ({ replicas }) => replicas[0]?.mode === "ERR",
    );
    world.clearly(`it is said to be full: ${replicas[0]?.cause}`, /space/i.test(replicas[0]?.cause ?? ""));
    await load.progress(500);
    rmSync(ballast);
    await a.kill();
    a.start();
    await world.healthy();
  },
);
