import { sleep } from "../../tools/process.js";
import { scenario } from "../scenario.js";

export default scenario(
  "an upgrade is killed at some moment, and so is the engine that it was to replace",
  {},
  async (world) => {
    const { engine, load } = world;
    for (let times = 0; times < 4; times++) {
      const { process: before } = engine;
      engine.launch(["--upgrade"]);
      const { process: next } = engine;
      await sleep(300 + world.random(700));
      next.signal("SIGKILL");
      await next.ended();
      if (times % 2 === 1 || before.end !== null) {
        before.signal("SIGKILL");
        await before.ended();
        await engine.mustStart();
      } else {
        engine.adopt(before);
      }
      await load.progress(200);
    }
  },
);
