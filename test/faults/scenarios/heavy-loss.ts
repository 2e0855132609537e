import { sleep } from "../../tools/process.js";
import { scenario } from "../scenario.js";

export default scenario("a third of all frames is lost between engine and a replica", {}, async (world) => {
  await world.network.between("a", "e", { drop: 33 });
  await sleep(8_000);
  await world.load.progress(200);
});
