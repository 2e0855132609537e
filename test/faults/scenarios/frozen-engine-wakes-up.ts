import { scenario } from "../scenario.js";

const FENCED = 4;

export default scenario(
  "an engine freezes with operations under way, another one takes over, and the first wakes up",
  { quick: true },
  async (world) => {
    const { engine: first, otherEngine: second } = world;
    const load = await world.addLoad(second);
    load.run();
    await world.moment();
    first.freeze();
    await second.mustStart();
    world.switchEngines();
    await load.progress(500);
    first.thaw();
    await load.progress(500);
    world.clearly("the first engine ends as one that was fenced", (await first.process.ended()) === FENCED);
  },
);
