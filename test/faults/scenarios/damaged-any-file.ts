import { readdirSync, rmSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { scenario } from "../scenario.js";
import { LONGHORN } from "../world/command-line.js";
import { flip, playDamage, truncate } from "../world/damage.js";
import type { Replica } from "../world/replica.js";
import { takeSnapshot } from "../world/snapshots.js";

const HARMS: Record<string, (path: string) => void> = {
  flipped: flip,
  "cut short": truncate,
  emptied: (path) => truncateSync(path),
  lost: (path) => rmSync(path),
};

/** Of data nobody can tell that bits have flipped, and a snapshot may be from before the volume grew. */
function harmsOf(name: string): string[] {
  if (!name.endsWith(".img")) return Object.keys(HARMS);
  return name.includes("snap") ? ["lost"] : ["cut short", "emptied", "lost"];
}

/** What a file is, whichever head or snapshot it belongs to. */
function kindOf(name: string): string {
  return name.replace(/^(volume-head)-\d+/, "$1").replace(/^(volume-snap)-.*?(\.img.*)$/, "$1$2");
}

/** Locks hold nothing. */
function filesOf({ directory }: Replica): string[] {
  return readdirSync(directory).filter(
    (name) => !name.endsWith(".lock") && statSync(join(directory, name)).size > 0,
  );
}

export default scenario(
  "each kind of file of a replica in turn is damaged, emptied, cut short or lost while it is away",
  { commandLine: LONGHORN },
  async (world) => {
    await takeSnapshot(world.engine);
    await world.load.progress(300);
    const kinds = [...new Set(filesOf(world.a).map(kindOf))];
    world.struck(`there are files of the kinds ${kinds.join(", ")}`, kinds.length > 1);
    for (const [times, kind] of kinds.entries()) {
      const replica = world.replicas[times % 2 === 0 ? 0 : 1];
      const names = filesOf(replica).filter((name) => kindOf(name) === kind);
      const name = names[world.random(names.length)];
      // What replicas that are away miss is there only while one is.
      if (name === undefined) continue;
      const harms = harmsOf(name);
      const harm = harms[world.random(harms.length)] ?? "";
      const exactly = new RegExp(`^${name.replaceAll(".", "\\.")}$`);
      await playDamage(world, replica, exactly, HARMS[harm] ?? flip);
    }
  },
);
