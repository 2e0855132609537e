import { sleep } from "../../tools/process.js";
import { scenario } from "../scenario.js";

export default scenario("replicas stop answering for a second, again and again", {}, async (world) => {
  for (let times = 0; times < 4; times++) {
    await world.moment();
    const replica = world.replicas[world.random(2) === 0 ? 0 : 1];
    replica.freeze();
    await sleep(1_000);
    replica.thaw();
    await world.load.progress(100);
  }
});
