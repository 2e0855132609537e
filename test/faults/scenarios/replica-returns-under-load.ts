import { scenario } from "../scenario.js";

export default scenario("a replica is killed again and again while it is resynced", {}, async (world) => {
  const { a, engine, load } = world;
  await a.kill();
  await engine.until("the replica to be left out", ({ replicas }) => replicas[0]?.mode === "ERR");
  for (let times = 0; times < 4; times++) {
    await load.progress(300);
    a.start();
    await engine.until("its resync to begin", ({ replicas }) => replicas[0]?.mode !== "ERR");
    await world.moment(100);
    await a.kill();
  }
  a.start();
  await world.healthy();
});
