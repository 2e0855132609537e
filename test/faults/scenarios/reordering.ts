import { sleep } from "../../tools/process.js";
import { scenario } from "../scenario.js";

export default scenario("frames are delayed, overtake each other and arrive twice", {}, async (world) => {
  for (const host of ["a", "b", "i"])
    await world.network.between(host, "e", { delayMs: 2, jitterMs: 10, duplicate: 10 });
  await sleep(5_000);
  await world.load.progress(500);
});
