import { sleep } from "../../tools/process.js";
import { scenario } from "../scenario.js";

export default scenario("a replica is 150 ms away, then the other one", {}, async (world) => {
  for (const host of ["a", "b"]) {
    await world.network.between(host, "e", { delayMs: 150 });
    await sleep(3_000);
    await world.load.progress(200);
    await world.network.heal();
  }
});
