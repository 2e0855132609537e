import { sleep } from "../../tools/process.js";
import { scenario } from "../scenario.js";

export default scenario(
  "a replica's disk takes 30 ms for each request",
  {
    prepare: async (world) => {
      await world.disk(world.a);
    },
  },
  async (world) => {
    world.disks.get(world.a)?.fail("slow 30");
    await sleep(5_000);
    await world.load.progress(200);
    world.disks.get(world.a)?.fail("none");
  },
);
