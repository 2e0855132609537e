import { scenario } from "../scenario.js";
import { witnessCounts, WITNESS_HOST } from "../world/witness.js";

export default scenario(
  "the witness does not hear the engine, then it is not heard by it",
  { witness: true },
  async (world) => {
    const { engine, load, network } = world;
    for (const [from, to] of [
      ["e", WITNESS_HOST],
      [WITNESS_HOST, "e"],
    ] as const) {
      await world.moment();
      await network.set(from, to, { drop: 100 });
      await witnessCounts(engine, false);
      world.struck(`frames from ${from} to ${to} are lost`, (await network.lost(from, to)) > 0);
      await load.progress(500);
      await network.heal();
      await witnessCounts(engine, true);
    }
    await load.progress(200);
  },
);
