import { scenario } from "../scenario.js";

export default scenario(
  "a replica's disk cannot be read, which the page cache does not hide; it is exchanged by a good one",
  {
    prepare: async (world) => {
      await world.disk(world.a);
      world.a.flags = ["--cache", "none"];
    },
  },
  async (world) => {
    const { a, engine, load } = world;
    const disk = world.disks.get(a);
    await load.progress(500);
    disk?.fail("read-error 5");
    const { replicas } = await engine.until(
      "the replica to be left out",
      ({ replicas }) => replicas[0]?.mode === "ERR",
    );
    world.clearly(`a cause is told: ${replicas[0]?.cause}`, (replicas[0]?.cause ?? "") !== "");
    await load.progress(500);
    disk?.fail("none");
    await a.kill();
    await disk?.powerOff();
    await disk?.powerOn();
    a.start();
    await world.healthy();
  },
);
