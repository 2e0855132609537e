import { readFileSync, renameSync } from "node:fs";
import { scenario } from "../scenario.js";
import { fileOf } from "../world/damage.js";

export default scenario(
  "everything is killed, and a replica's write-intent map is lost: it refuses until the map is back",
  {},
  async (world) => {
    const { a, b, engine, load } = world;
    await world.moment();
    for (const { process } of [engine, a, b]) process.signal("SIGKILL");
    for (const { process } of [engine, a, b]) await process.ended();
    const map = fileOf(a, /^aurochs\.regions$/);
    renameSync(map, `${map}-away`);
    a.start();
    await a.process.ended();
    world.clearly("the log names the map", readFileSync(a.log, "utf8").includes(`${map} is missing`));
    renameSync(`${map}-away`, map);
    for (const replica of [a, b]) replica.start();
    await engine.mustStart();
    await load.progress(200);
  },
);
