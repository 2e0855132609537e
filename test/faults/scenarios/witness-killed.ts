import { scenario } from "../scenario.js";
import { witnessCounts } from "../world/witness.js";

export default scenario(
  "the witness is killed, and back; then a replica is killed, which it hears of",
  { witness: true },
  async (world) => {
    const { b, engine, load, witness } = world;
    await world.moment();
    await witness?.kill();
    await witnessCounts(engine, false);
    await load.progress(500);
    witness?.start();
    await witnessCounts(engine, true);
    await b.kill();
    await engine.until("the replica to be left out", ({ replicas }) => replicas[1]?.mode === "ERR");
    await load.progress(500);
    b.start();
    await world.healthy();
  },
);
