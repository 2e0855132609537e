import { rmSync } from "node:fs";
import { sleep } from "../../tools/process.js";
import { scenario } from "../scenario.js";
import { LONGHORN } from "../world/command-line.js";
import { addReplica, restartAsNew, takeSnapshot } from "../world/snapshots.js";

export default scenario(
  "an empty replica is rebuilt while links fail and it is killed; then it is let be",
  { commandLine: LONGHORN },
  async (world) => {
    const { b, engine, load, network } = world;
    await takeSnapshot(engine);
    await load.progress(500);
    await b.kill();
    await engine.until("the replica to be left out", ({ replicas }) => replicas[1]?.mode === "ERR");
    rmSync(b.directory, { recursive: true });
    // Files may have come over within a moment: their link fails before. What is written comes all the time.
    for (const [one, other, msMax] of [
      ["a", "b", 0],
      ["e", "b", 1_500],
    ] as const) {
      await restartAsNew(world, b);
      const rebuilding = addReplica(world, b).catch(() => undefined); // it may well be broken off
      await world.moment(msMax);
      await network.between(one, other, { drop: 100 });
      await sleep(3_000);
      await network.heal();
      await b.kill();
      await rebuilding;
      await load.progress(200);
    }
    await restartAsNew(world, b);
    await addReplica(world, b);
    await world.healthy();
  },
);
