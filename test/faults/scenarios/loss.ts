import { sleep } from "../../tools/process.js";
import { scenario } from "../scenario.js";

export default scenario("one frame in twenty is lost between all hosts", {}, async (world) => {
  for (const host of ["a", "b", "i"]) await world.network.between(host, "e", { drop: 5 });
  await sleep(5_000);
  await world.load.progress(200);
});
