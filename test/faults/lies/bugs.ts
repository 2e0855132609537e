/** Bugs put in on purpose, each with a scenario in which the checkers have to find it. */
import { copyFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { REGION_MAP_NAME } from "../../../replica/identity.js";
import { PATIENCE_MS } from "../limits.js";
import { waitFor } from "../../tools/process.js";
import { compileTool } from "../../tools/compile.js";
import type { Scenario } from "../scenario.js";
import { LIES, type LieName } from "./lie.js";
import type { World } from "../world/world.js";

export interface Bug {
  about: string;
  /** played with the bug in it */
  scenario: string;
  /** before anything runs */
  plant(world: World): Promise<void>;
}

function lie(name: LieName, scenario: string, where: "one replica" | "both replicas" = "one replica"): Bug {
  return {
    about: `${LIES[name].about} (${where})`,
    scenario,
    plant: async (world) => {
      await world.lie(world.a, name);
      if (where === "both replicas") await world.lie(world.b, name);
    },
  };
}

/** Every way to ask for durability does nothing, in the replicas' processes. */
async function noSync(world: World): Promise<void> {
  const library = await compileTool("test/powercut/no_sync.cc", ["-shared", "-fPIC", "-ldl"]);
  for (const replica of world.replicas) replica.env = { LD_PRELOAD: library };
}

/** Replicas find the map of a new volume whenever they are started again. */
async function emptyMaps(world: World): Promise<void> {
  const blank = join(world.folder, "blank.regions");
  const { a } = world;
  const { directory } = a;
  a.directory = join(world.folder, "blank");
  a.start();
  const serves = () => readFileSync(a.log, "utf8").includes("replica serves") || undefined;
  await waitFor("a blank map", PATIENCE_MS, serves);
  await a.kill();
  copyFileSync(join(a.directory, REGION_MAP_NAME), blank);
  a.directory = directory;
  for (const replica of world.replicas) {
    replica.beforeStart = () => {
      const map = join(replica.directory, REGION_MAP_NAME);
      if (existsSync(map)) copyFileSync(blank, map);
    };
  }
}

export const BUGS: Record<string, Bug> = {
  "ack-early": lie("ack-early", "steady"),
  "reorder-writes": lie("reorder-writes", "steady"),
  "lose-write": lie("lose-write", "steady"),
  "repeat-write": lie("repeat-write", "steady"),
  "corrupt-write": lie("corrupt-write", "steady"),
  "shift-write": lie("shift-write", "steady"),
  "tear-write": lie("tear-write", "steady"),
  "lose-unmap": lie("lose-unmap", "steady"),
  "unmap-too-much": lie("unmap-too-much", "steady"),
  "corrupt-read": lie("corrupt-read", "steady"),
  "zero-read": lie("zero-read", "steady"),
  "skip-flush": lie("skip-flush", "power-cut-everything", "both replicas"),
  "drop-fua": lie("drop-fua", "power-cut-everything", "both replicas"),
  "forget-regions": {
    about: "the write-intent map is empty after a crash (both replicas)",
    scenario: "kill-everything-apart",
    plant: emptyMaps,
  },
  "no-sync": {
    about: "fsync and its kind do nothing (both replicas)",
    scenario: "power-cut-everything",
    plant: noSync,
  },
  "stale-copy": {
    about: "the engine is told to start from the copy that was left out",
    scenario: "kill-engine-then-replica",
    plant: (world) => {
      world.engine.laterFlags = ["--salvage", "a"];
      return Promise.resolve();
    },
  },
};

/** The scenario with the bug in it. */
export function withBug(scenario: Scenario, bug: Bug): Scenario {
  return {
    ...scenario,
    about: bug.about,
    prepare: async (world) => {
      await scenario.prepare(world);
      await bug.plant(world);
    },
  };
}
