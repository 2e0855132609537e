import { rmSync } from "node:fs";
import { scenario } from "../scenario.js";

export default scenario(
  "a replica's directory is lost while it is away: it gets everything anew",
  {},
  async (world) => {
    const { b, engine, load } = world;
    await world.moment();
    await b.kill();
    await engine.until("the replica to be left out", ({ replicas }) => replicas[1]?.mode === "ERR");
    rmSync(b.directory, { recursive: true });
    await load.progress(500);
    b.start();
    await world.healthy();
  },
);
