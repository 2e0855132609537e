import { scenario } from "../scenario.js";
import { witnessCounts } from "../world/witness.js";

export default scenario(
  "the witness stands still until it does not count any more, and goes on",
  { witness: true },
  async (world) => {
    const { engine, load, witness } = world;
    await world.moment();
    witness?.freeze();
    await witnessCounts(engine, false);
    await load.progress(500);
    witness?.thaw();
    await witnessCounts(engine, true);
    await load.progress(200);
  },
);
