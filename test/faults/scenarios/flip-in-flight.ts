import { readFileSync } from "node:fs";
import { sleep } from "../../tools/process.js";
import { scenario } from "../scenario.js";

export default scenario(
  "bits flip in data on the way to a replica, under checksums that do not match any more",
  { prepare: (world) => world.lie(world.a, "flip-in-flight") },
  async (world) => {
    await sleep(4_000);
    await world.load.progress(300);
    world.endLies();
    const isNamed = readFileSync(world.engine.log, "utf8").includes("CHECKSUM_MISMATCH");
    world.struck("data arrive damaged", isNamed);
    world.clearly("the log names it", isNamed);
  },
);
