import { readdirSync, rmSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { scenario } from "../scenario.js";
import { LONGHORN } from "../world/command-line.js";
import { flip, playDamage, truncate } from "../world/damage.js";
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

export default scenario(
  "any file of a replica is damaged, emptied, cut short or lost while it is away, six times",
  { commandLine: LONGHORN },
  async (world) => {
    await takeSnapshot(world.engine);
    await world.load.progress(300);
    for (let times = 0; times < 6; times++) {
      const replica = world.replicas[times % 2 === 0 ? 0 : 1];
      // Locks hold nothing.
      const files = readdirSync(replica.directory).filter(
        (name) => !name.endsWith(".lock") && statSync(join(replica.directory, name)).size > 0,
      );
      const name = files[world.random(files.length)] ?? "";
      const harms = harmsOf(name);
      const harm = harms[world.random(harms.length)] ?? "";
      const exactly = new RegExp(`^${name.replaceAll(".", "\\.")}$`);
      await playDamage(world, replica, exactly, HARMS[harm] ?? flip);
    }
  },
);
