import { rmSync } from "node:fs";
import { sleep } from "../../tools/process.js";
import { scenario } from "../scenario.js";
import { LONGHORN } from "../world/command-line.js";
import { addReplica, restartAsNew, takeSnapshot } from "../world/snapshots.js";

/** ms of each frame between the replicas: so a rebuild is under way when it is struck */
const SLOW_MS = 150;

export default scenario(
  "while an empty replica is rebuilt, nothing comes to it from the other one, then nothing goes to that; then it is let be",
  { commandLine: LONGHORN },
  async (world) => {
    const { b, engine, load, network } = world;
    await takeSnapshot(engine);
    await load.progress(500);
    await b.kill();
    await engine.until("the replica to be left out", ({ replicas }) => replicas[1]?.mode === "ERR");
    rmSync(b.directory, { recursive: true });
    for (const [from, to] of [
      ["a", "b"],
      ["b", "a"],
    ] as const) {
      await network.between("a", "b", { delayMs: SLOW_MS });
      await restartAsNew(world, b);
      const rebuilding = addReplica(world, b).catch(() => undefined); // it may well be broken off
      await engine.until("the rebuild to begin", ({ replicas }) => replicas[1]?.mode === "WO");
      await network.set(from, to, { drop: 100 });
      await sleep(2_000 + world.random(1_000));
      world.struck(`frames from ${from} to ${to} are lost`, (await network.lost(from, to)) > 0);
      await load.progress(200);
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
