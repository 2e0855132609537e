/**
 * What has to be done about a volume: its state, where its replicas are, what its engine and replicas have to do. Pure: a world
 * goes in, a plan comes out, and carrying it out is somebody else's work. Facts: manager.md sections 2, 4, 6 and 7.
 */
import { isDeleted } from "../objects/resource.js";
import { takeWishes } from "./engine-wishes.js";
import { Draft } from "./draft.js";
import { remove } from "./deletion.js";
import { endSalvage, leaveOthers } from "./forced-salvage.js";
import { noteModes } from "./modes.js";
import { makeMissing } from "./objects.js";
import { giveUpStrays, replan } from "./replicas.js";
import { judge } from "./robustness.js";
import { noteSnapshots } from "./snapshot-count.js";
import { move } from "./states.js";
import { upkeepOf } from "./upkeep.js";
import { keepWitness, noteWitness } from "./witness.js";
import type { Plan, World } from "./world.js";

export function decideVolume(world: World): Plan {
  const draft = new Draft(world);
  if (isDeleted(draft.volume)) {
    remove(draft);
    return draft.plan();
  }
  makeMissing(draft);
  noteModes(draft);
  leaveOthers(draft);
  giveUpStrays(draft);
  move(draft);
  endSalvage(draft);
  judge(draft);
  replan(draft);
  keepWitness(draft);
  takeWishes(draft);
  noteSnapshots(draft);
  noteWitness(draft);
  draft.upkeep = upkeepOf(draft);
  return draft.plan();
}
