import { scenario } from "../scenario.js";

const FENCED = 4;

export default scenario(
  "a second engine takes the volume over while the first one serves; both have initiators that write",
  {},
  async (world) => {
    const { engine: first, otherEngine: second } = world;
    const load = await world.addLoad(second);
    load.run();
    await world.moment();
    await second.mustStart();
    world.switchEngines();
    await load.progress(500);
    const end = await first.process.ended();
    world.struck("the first engine has lost the volume", end !== 0);
    world.clearly("the first engine ends as one that was fenced", end === FENCED);
  },
);
