import { sleep } from "../../tools/process.js";
import { scenario } from "../scenario.js";

export default scenario("nothing happens", { except: { struck: "nothing is done" } }, async (world) => {
  await sleep(3_000);
  await world.load.progress(500);
});
