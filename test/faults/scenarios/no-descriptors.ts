import { readdirSync } from "node:fs";
import { scenario } from "../scenario.js";
import { run, sleep } from "../../tools/process.js";

/** From now on it may open so many files more. */
async function limit(pid: number, more: number): Promise<void> {
  const count = readdirSync(`/proc/${pid}/fd`).length + more;
  await run("prlimit", ["--pid", String(pid), `--nofile=${count}:`]);
}

export default scenario(
  "a replica may not open any further file or connection until it is started again, then the engine for seconds",
  {},
  async (world) => {
    const { a, engine, load, network } = world;
    await limit(a.process.pid, 0);
    // Its connections are lost, and cannot be made again.
    await network.between("a", "e", { drop: 100 });
    await engine.until("the replica to be left out", ({ replicas }) => replicas[0]?.mode === "ERR");
    await network.heal();
    await sleep(3_000);
    await load.progress(200);
    await a.kill();
    a.start();
    await world.healthy();

    await limit(engine.process.pid, 0);
    await network.between("i", "e", { drop: 100 });
    await sleep(12_000); // longer than the initiators wait
    await network.heal();
    await sleep(3_000);
    await limit(engine.process.pid, 500);
    await load.progress(200);
  },
);
