import { readFileSync } from "node:fs";
import { sleep } from "../../tools/process.js";
import { scenario } from "../scenario.js";

const FENCED = 4;

export default scenario(
  "an engine is cut off with one copy and goes on being read, while another one goes on with the other copy and the witness",
  { witness: true },
  async (world) => {
    const { engine: first, otherEngine: second, load: reader, network } = world;
    // Writes would wait, and reads behind them.
    await reader.pause();
    // e and a here; f, b and w there; initiators reach both.
    for (const host of ["e", "a"])
      for (const other of ["f", "b", "w"]) await network.between(host, other, { drop: 100 });
    await second.mustStart();
    const writer = await world.addLoad(second);
    writer.run();
    world.switchEngines();
    await writer.progress(300);
    // What it asks the other copy for waits in any case.
    void reader.sweep().catch(() => undefined);
    await writer.progress(1000);
    await sleep(1_000);
    world.clearly(
      "the first engine says that reads wait",
      readFileSync(first.log, "utf8").includes("reads wait"),
    );
    await network.heal();
    world.clearly("it ends as one that was fenced", (await first.process.ended()) === FENCED);
    await world.healthy();
  },
);
