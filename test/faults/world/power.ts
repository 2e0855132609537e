/** Power cuts: disks that forget what was not flushed, processes that end, machines that boot again. */
import type { Cut } from "../../powercut/forgetful-disk.js";
import type { Replica } from "./replica.js";
import type { World } from "./world.js";

/** How much of what was not flushed survives, and in which pieces, by the seed. */
function cutOf(world: World): Cut {
  return {
    seed: 1 + world.random(1 << 30),
    keep: [0, 30, 50, 90][world.random(4)] ?? 0,
    granule: world.random(2) === 0 ? 512 : 4096,
  };
}

async function restore(world: World, replica: Replica): Promise<void> {
  const disk = world.disks.get(replica);
  await disk?.powerOff();
  await disk?.powerOn();
  replica.reboot();
  replica.start();
}

/** One replica's machine loses its power, for a moment. */
export async function cutOne(world: World, replica: Replica): Promise<void> {
  replica.freeze(); // nobody is told of a disk that fails: all ends at once
  world.disks.get(replica)?.cutPower(cutOf(world));
  await replica.kill();
  await restore(world, replica);
}

/** All machines but the initiators' lose their power at once, and the engine starts again. All sectors are read then. */
export async function cutEverything(world: World): Promise<void> {
  const { engine, load, replicas } = world;
  engine.freeze();
  for (const replica of replicas) replica.freeze();
  for (const replica of replicas) world.disks.get(replica)?.cutPower(cutOf(world));
  await engine.kill();
  for (const replica of replicas) await replica.kill();
  // Nothing was answered since the first of them was frozen.
  world.cuts.push(Number(process.hrtime.bigint()));
  const paused = load.pause();
  paused.catch(() => undefined); // told below
  for (const replica of replicas) await restore(world, replica);
  engine.reboot();
  await engine.mustStart();
  await paused;
  await load.sweep();
  load.run();
}
