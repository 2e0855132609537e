import { scenario } from "../scenario.js";

export default scenario("two engines start at the same moment; one of them serves", {}, async (world) => {
  const { engine: first, otherEngine: second } = world;
  const load = await world.addLoad(second);
  load.run();
  await world.moment();
  await first.kill();
  const starting = [first.launch(), second.launch()];
  await Promise.all(starting.map((engine) => engine.served()));
  // Whoever served first may have been fenced a moment later.
  const last = await Promise.race([
    first.process.ended().then(() => second),
    second.process.ended().then(() => first),
  ]);
  if (!last.isRunning) await last.mustStart();
  if (last === second) world.switchEngines();
  await world.loads[last === first ? 0 : 1]?.progress(500);
});
