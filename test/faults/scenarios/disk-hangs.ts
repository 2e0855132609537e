import { sleep } from "../../tools/process.js";
import { scenario } from "../scenario.js";

export default scenario(
  "a replica's disk hangs, and goes on after seconds",
  {
    quick: true,
    prepare: async (world) => {
      await world.disk(world.b);
    },
  },
  async (world) => {
    const { b, engine, load } = world;
    const disk = world.disks.get(b);
    await world.moment();
    disk?.fail("hang");
    await engine.until("the replica to be left out", ({ replicas }) => replicas[1]?.mode === "ERR");
    await load.progress(500);
    await sleep(1_000);
    disk?.fail("none");
    await world.healthy();
  },
);
