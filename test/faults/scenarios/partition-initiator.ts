import { sleep } from "../../tools/process.js";
import { scenario } from "../scenario.js";

export default scenario(
  "initiators and engine lose each other, in one direction, the other, and both",
  {},
  async (world) => {
    const { load, network } = world;
    await network.set("i", "e", { drop: 100 });
    await sleep(2_000);
    await network.heal();
    await load.progress(200);
    await network.set("e", "i", { drop: 100 });
    await sleep(2_000);
    await network.heal();
    await load.progress(200);
    await network.between("e", "i", { drop: 100 });
    await sleep(12_000); // longer than the initiators wait
    await network.heal();
    await load.progress(200);
  },
);
