import { sleep } from "../../tools/process.js";
import { scenario } from "../scenario.js";

export default scenario("both replicas stop answering for longer than is waited", {}, async (world) => {
  const { a, b, load } = world;
  await world.moment();
  for (const replica of [a, b]) replica.freeze();
  await sleep(5_000);
  for (const replica of [a, b]) replica.thaw();
  await load.progress(500);
});
