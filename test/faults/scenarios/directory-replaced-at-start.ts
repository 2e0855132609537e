import { readFileSync, renameSync, rmSync } from "node:fs";
import { scenario } from "../scenario.js";

const MEMBERSHIP = 3;

export default scenario(
  "a member's directory is empty when the engine starts: it refuses, until the directory is back",
  {},
  async (world) => {
    const { b, engine, load } = world;
    await world.moment();
    await engine.kill();
    await b.kill();
    renameSync(b.directory, `${b.directory}-away`);
    b.start();
    world.clearly("the engine does not serve", !(await engine.start()));
    world.clearly("its exit code says why", engine.process.end === MEMBERSHIP);
    world.clearly("its log names the replica", readFileSync(engine.log, "utf8").includes(b.address));
    await b.kill();
    rmSync(b.directory, { recursive: true });
    renameSync(`${b.directory}-away`, b.directory);
    b.start();
    await engine.mustStart();
    await load.progress(200);
  },
);
