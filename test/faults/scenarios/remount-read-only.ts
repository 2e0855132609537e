import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { scenario } from "../scenario.js";

function isWritable(folder: string): boolean {
  const probe = join(folder, "probe");
  try {
    writeFileSync(probe, "");
    rmSync(probe);
    return true;
  } catch {
    return false;
  }
}

export default scenario(
  "ext4 finds an error below a replica and goes read-only; it is mounted again, and the replica started",
  {
    prepare: async (world) => {
      await world.disk(world.b);
    },
  },
  async (world) => {
    const { b, engine, load } = world;
    const disk = world.disks.get(b);
    await world.moment();
    await disk?.remountReadOnly();
    const { replicas } = await engine.until(
      "the replica to be left out",
      ({ replicas }) => replicas[1]?.mode === "ERR",
    );
    world.struck("nothing can be written there", !isWritable(join(b.directory, "..")));
    // The file system may fail a write in flight before it refuses the next one.
    const cause = replicas[1]?.cause ?? "";
    world.clearly(`the file is named: ${cause}`, cause.includes(b.directory));
    await load.progress(500);
    await b.kill();
    await disk?.powerOff();
    await disk?.powerOn();
    b.start();
    await world.healthy();
  },
);
