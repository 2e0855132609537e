import { sleep } from "../../tools/process.js";
import { scenario } from "../scenario.js";

/** ms that writes have to get to the other copy: far less than the engine waits for one. */
const AHEAD_MS = 200;

export default scenario(
  "a replica hangs, and before it is missed engine and replicas are killed: what was under way is on one copy alone",
  {},
  async (world) => {
    const { a, b, engine, load } = world;
    for (const behind of [a, b]) {
      await world.moment();
      behind.freeze();
      await sleep(AHEAD_MS);
      for (const { process } of [engine, a, b]) process.signal("SIGKILL");
      for (const { process } of [engine, a, b]) await process.ended();
      for (const replica of [a, b]) replica.start();
      await engine.mustStart();
      await load.progress(200);
    }
  },
);
