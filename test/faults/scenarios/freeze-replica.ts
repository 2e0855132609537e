import { sleep } from "../../tools/process.js";
import { scenario } from "../scenario.js";

export default scenario(
  "a replica stops answering for longer than is waited",
  { quick: true },
  async (world) => {
    const { b, engine, load } = world;
    await world.moment();
    b.freeze();
    await engine.until("the replica to be left out", ({ replicas }) => replicas[1]?.mode === "ERR");
    await load.progress(500);
    await sleep(1_000);
    b.thaw();
    await world.healthy();
  },
);
