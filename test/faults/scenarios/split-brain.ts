import { readFileSync } from "node:fs";
import { scenario } from "../scenario.js";

const MEMBERSHIP = 3;

export default scenario(
  "one replica is cut off with a second engine, which must not serve from it alone",
  {},
  async (world) => {
    const { engine, otherEngine, load, network } = world;
    // e, i and a here; f and b there.
    for (const host of ["e", "i", "a"])
      for (const other of ["f", "b"]) await network.between(host, other, { drop: 100 });
    const serves = otherEngine.start();
    await engine.until("the replica to be left out", ({ replicas }) => replicas[1]?.mode === "ERR");
    await load.progress(1000);
    world.clearly("the second engine does not serve", !(await serves));
    world.clearly("it ends with the exit code for it", otherEngine.process.end === MEMBERSHIP);
    world.clearly(
      "it names the replica that it would need",
      readFileSync(otherEngine.log, "utf8").includes(world.a.address),
    );
    await network.heal();
    await world.healthy();
  },
);
