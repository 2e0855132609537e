/** What a volume's user does by Longhorn's command line: snapshots, and replicas that are exchanged. */
import { waitFor } from "../../tools/process.js";
import { PATIENCE_MS, VOLUME_BYTES } from "../limits.js";
import type { Engine } from "./engine.js";
import type { Replica } from "./replica.js";
import type { World } from "./world.js";

export async function takeSnapshot(engine: Engine): Promise<void> {
  await engine.command("snapshots", "create");
}

/** Of all but the newest snapshot. */
export async function startPurge(engine: Engine): Promise<void> {
  const [, ...names] = (await engine.command("snapshots", "ls")).split("\n").map((line) => line.trim());
  for (const name of names.filter((each) => each !== "").slice(1))
    await engine.command("snapshots", "rm", name);
  await engine.command("snapshots", "purge");
}

export async function purged(engine: Engine): Promise<void> {
  await waitFor("snapshots to be purged", PATIENCE_MS, async () =>
    (await engine.command("snapshots", "purge-status")).includes('"isPurging": true') ? undefined : true,
  );
}

/** A replica that is not running and was left out is removed, and started as one that may be added. */
export async function restartAsNew(world: World, replica: Replica): Promise<void> {
  const { engine } = world;
  const address = world.addressOf(replica);
  await engine.command("rm-replica", address);
  replica.start();
  await engine.closeReplica(address);
}

/** @returns when it is a copy @throws when the rebuild is broken off */
export async function addReplica(world: World, replica: Replica): Promise<void> {
  const size = String(VOLUME_BYTES);
  const sizes = ["--size", size, "--current-size", size];
  await world.engine.command("add-replica", world.addressOf(replica), ...sizes);
}
