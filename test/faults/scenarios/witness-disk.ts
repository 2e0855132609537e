import { rmSync } from "node:fs";
import { join } from "node:path";
import { RECONNECT_GRACE_MS } from "../../../engine/limits.js";
import type { ForgetfulDisk } from "../../powercut/forgetful-disk.js";
import { sleep } from "../../tools/process.js";
import { scenario } from "../scenario.js";
import { fill, isFull } from "../world/ballast.js";
import { witnessCounts } from "../world/witness.js";
import type { World } from "../world/world.js";

const disks = new WeakMap<World, ForgetfulDisk>();

export default scenario(
  "the witness's disk is full, then it fails, while a replica is killed: nobody goes on without it before the witness has stored that",
  {
    witness: true,
    prepare: async (world) => {
      if (world.witness !== null) disks.set(world, await world.diskOf(world.witness));
    },
  },
  async (world) => {
    const { b, engine, load, witness } = world;
    const disk = disks.get(world);
    if (witness === null || disk === undefined) throw new Error("there is no witness");
    const ballast = join(witness.directory, "..", "ballast");
    const leaveOut = async (repair: () => Promise<void>): Promise<void> => {
      await b.kill();
      // The engine waits for it first, and asks the witness then.
      await sleep(RECONNECT_GRACE_MS + 1_000);
      await world.moment(3_000);
      await repair();
      await engine.until("the replica to be left out", ({ replicas }) => replicas[1]?.mode === "ERR");
      await load.progress(300);
      b.start();
      await world.healthy();
      await witnessCounts(engine, true);
    };
    fill(ballast);
    world.struck("the disk is full", isFull(witness.directory));
    await leaveOut(() => {
      rmSync(ballast);
      return Promise.resolve();
    });
    disk.fail("write-error 0");
    await leaveOut(async () => {
      disk.fail("none");
      // What ext4 has found it does not forget: another disk, with what is on this one.
      await witness.kill();
      await disk.powerOff();
      await disk.powerOn();
      witness.start();
    });
  },
);
