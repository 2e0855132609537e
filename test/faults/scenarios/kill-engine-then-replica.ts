import { scenario } from "../scenario.js";

export default scenario(
  "a replica is killed and left out, then the engine; the stale copy does not serve",
  {},
  async (world) => {
    const { a, engine, load } = world;
    await a.kill();
    await engine.until("the replica to be left out", ({ replicas }) => replicas[0]?.mode === "ERR");
    await load.progress(500);
    await engine.kill();
    a.start();
    await engine.mustStart();
    await load.progress(200);
  },
);
