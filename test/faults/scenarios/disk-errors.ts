import { sleep } from "../../tools/process.js";
import { scenario } from "../scenario.js";
import type { DiskFault } from "../../powercut/forgetful-disk.js";

const FAULTS: DiskFault[] = ["write-error 20", "sync-error 2", "read-only"];

export default scenario(
  "a replica's disk fails: writes, then syncs, then nothing can be written; each time it is exchanged by a good one",
  {
    prepare: async (world) => {
      await world.disk(world.a);
    },
  },
  async (world) => {
    const { a, engine, load } = world;
    const disk = world.disks.get(a);
    for (const fault of FAULTS) {
      await world.moment();
      disk?.fail(fault);
      await engine.until("the replica to be left out", ({ replicas }) => replicas[0]?.mode === "ERR");
      await load.progress(500);
      await sleep(500);
      const { replicas } = (await engine.status()) ?? { replicas: [] };
      world.clearly(`a cause is told: ${replicas[0]?.cause}`, (replicas[0]?.cause ?? "") !== "");
      disk?.fail("none");
      await a.kill();
      await disk?.powerOff();
      await disk?.powerOn();
      a.start();
      await world.healthy();
    }
  },
);
