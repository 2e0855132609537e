import { scenario } from "../scenario.js";

const FENCED = 4;

export default scenario("two engines take the volume from each other, several times", {}, async (world) => {
  const load = await world.addLoad(world.otherEngine);
  load.run();
  for (let times = 0; times < 4; times++) {
    await world.moment();
    await world.otherEngine.mustStart();
    world.switchEngines();
    world.struck("the other engine was fenced", (await world.otherEngine.process.ended()) === FENCED);
    await world.loads[(times + 1) % 2]?.progress(200);
  }
});
