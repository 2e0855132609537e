/** What a soak does to a volume, one thing at a time. Each leaves it such that it gets healthy by itself. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { sleep } from "../../tools/process.js";
import { fill } from "../world/ballast.js";
import { UPGRADE } from "../world/engine.js";
import { cutOne } from "../world/power.js";
import type { Replica } from "../world/replica.js";
import { addReplica, purged, restartAsNew, startPurge, takeSnapshot } from "../world/snapshots.js";
import type { World } from "../world/world.js";

export interface Strike {
  about: string;
  /** how often it is chosen, compared with the others */
  weight: number;
  /** whose process it ends */
  ends: "replica" | "engine" | "nothing";
  /** @param replica the one that it is about, where it is about one */
  play(world: World, replica: Replica): Promise<void>;
}

const LINKS = [
  ["e", "a"],
  ["e", "b"],
  ["a", "b"],
  ["i", "e"],
] as const;

export const STRIKES: Record<string, Strike> = {
  "kill-replica": {
    about: "SIGKILL of a replica, which is started again at once or after it was left out",
    weight: 4,
    ends: "replica",
    play: async (world, replica) => {
      await replica.kill();
      if (world.random(2) === 0) await leftOut(world, replica);
      replica.start();
    },
  },
  "kill-engine": {
    about: "SIGKILL of the engine",
    weight: 3,
    ends: "engine",
    play: async ({ engine }) => {
      await engine.kill();
      await engine.mustStart();
    },
  },
  "upgrade-engine": {
    about: "another engine takes the place of the one that serves",
    weight: 2,
    ends: "engine",
    play: async ({ engine }) => {
      const before = engine.process;
      await engine.mustStart([UPGRADE]);
      before.signal("SIGTERM");
      await before.ended();
    },
  },
  "freeze-replica": {
    about: "SIGSTOP of a replica, for a second or until it was left out",
    weight: 2,
    ends: "nothing",
    play: async (world, replica) => {
      replica.freeze();
      if (world.random(2) === 0) await leftOut(world, replica);
      else await sleep(1_000);
      replica.thaw();
    },
  },
  "freeze-engine": {
    about: "SIGSTOP of the engine for seconds",
    weight: 1,
    ends: "nothing",
    play: async ({ engine, random }) => {
      engine.freeze();
      await sleep(500 + random(4_000));
      engine.thaw();
    },
  },
  partition: {
    about: "two hosts lose each other for seconds, in one direction or both",
    weight: 3,
    ends: "nothing",
    play: async ({ network, random }) => {
      const [one, other] = LINKS[random(LINKS.length)] ?? LINKS[0];
      const cut = { drop: 100 };
      const direction = random(3);
      if (direction !== 0) await network.set(one, other, cut);
      if (direction !== 1) await network.set(other, one, cut);
      await sleep(500 + random(12_000));
      await network.heal();
    },
  },
  "bad-network": {
    about: "frames are lost, late, overtake each other and come twice, for seconds",
    weight: 1,
    ends: "nothing",
    play: async ({ network, random }) => {
      const [one, other] = LINKS[random(LINKS.length)] ?? LINKS[0];
      await network.between(one, other, {
        ...{ drop: random(15), delayMs: random(20), jitterMs: random(20), duplicate: random(10) },
      });
      await sleep(5_000);
      await network.heal();
    },
  },
  "power-cut-replica": {
    about: "a replica's machine loses its power",
    weight: 2,
    ends: "replica",
    play: cutOne,
  },
  "disk-full": {
    about: "a replica's disk is full, and has room again",
    weight: 1,
    ends: "replica",
    play: async (world, replica) => {
      const ballast = join(replica.directory, "..", "ballast");
      fill(ballast);
      await leftOut(world, replica);
      rmSync(ballast);
      await replica.kill();
      replica.start();
    },
  },
  "disk-fails": {
    about: "a replica's disk answers writes with errors, and is exchanged by one that still has them",
    weight: 1,
    ends: "replica",
    play: async (world, replica) => {
      const disk = world.disks.get(replica);
      disk?.fail("write-error 20");
      await leftOut(world, replica);
      disk?.fail("none");
      await replica.kill();
      await disk?.powerOff();
      await disk?.powerOn();
      replica.start();
    },
  },
  "disk-hangs": {
    about: "a replica's disk hangs until it was left out",
    weight: 1,
    ends: "nothing",
    play: async (world, replica) => {
      const disk = world.disks.get(replica);
      disk?.fail("hang");
      await leftOut(world, replica);
      disk?.fail("none");
    },
  },
  "snapshot-and-purge": {
    about: "snapshots are taken, the older ones removed and purged",
    weight: 3,
    ends: "nothing",
    play: async ({ engine, load }) => {
      for (let times = 0; times < 2; times++) {
        await takeSnapshot(engine);
        await load.progress(200);
      }
      await startPurge(engine);
      await purged(engine);
    },
  },
  rebuild: {
    about: "a replica's directory is lost: it is removed, and an empty one added in its place; a purge",
    weight: 2,
    ends: "replica",
    play: async (world, replica) => {
      await replica.kill();
      await leftOut(world, replica);
      rmSync(replica.directory, { recursive: true });
      await restartAsNew(world, replica);
      await addReplica(world, replica);
      // Each rebuild takes a snapshot of its own: nobody else would remove it before the disks are full.
      await startPurge(world.engine);
      await purged(world.engine);
    },
  },
};

async function leftOut(world: World, replica: Replica): Promise<void> {
  const address = world.addressOf(replica);
  await world.engine.until("the replica to be left out", ({ replicas }) =>
    replicas.some((each) => each.address === address && each.mode === "ERR"),
  );
}

export interface Choice {
  name: string;
  strike: Strike;
  replica: Replica;
}

/** By weight, and by the world's seed. @param spared its process must not be ended
 * @param names which ones to choose from; one at least has to end nothing */
export function choose(world: World, spared: Replica | "engine", names: readonly string[]): Choice {
  const { random, replicas } = world;
  const possible = Object.entries(STRIKES).filter(
    ([name, { ends }]) => names.includes(name) && (ends !== "engine" || spared !== "engine"),
  );
  let left = random(possible.reduce((sum, [, { weight }]) => sum + weight, 0));
  const [name, strike] = possible.find(([, { weight }]) => (left -= weight) < 0) ?? fail();
  const victims = replicas.filter((replica) => strike.ends !== "replica" || replica !== spared);
  return { name, strike, replica: victims[random(victims.length)] ?? fail() };
}

function fail(): never {
  throw new Error("there is nothing to choose from");
}
