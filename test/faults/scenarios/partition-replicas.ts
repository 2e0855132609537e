import { sleep } from "../../tools/process.js";
import { scenario } from "../scenario.js";

export default scenario(
  "the replicas lose each other: nothing happens",
  { except: { struck: "healthy ones may have nothing to say to each other" } },
  async (world) => {
    await world.network.between("a", "b", { drop: 100 });
    await sleep(3_000);
    await world.load.progress(500);
    await world.network.heal();
  },
);
