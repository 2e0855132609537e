/** One run of a plan, and how a plan that fails is made shorter. */
import { ManagedWorld } from "./managed-world.js";
import { crash, perform, type Plan } from "./plan.js";
import { RotWorld } from "./rot-world.js";
import { inTurn } from "./simulation.js";
import { VOTER_NAMES, WITNESS_NAME } from "./witness-machine.js";
import { World } from "./world.js";

/** ms that the volume may take to be whole again when nothing is wrong any more. */
const RECOVERY_MS = 240_000;
/** the same where a manager looks after replicas only now and then */
const MANAGED_RECOVERY_MS = 900_000;

export interface Outcome {
  failure: Error | null;
  simulatedMs: number;
  operations: number;
  acknowledged: number;
  events: number;
  /** directories that somebody had to empty */
  emptied: number;
  restored: number;
  /** starts from a replica that somebody chose */
  salvaged: number;
  /** that had happened when the first step was made, and when everything began to be put right */
  eventsBefore: number;
  eventsOfSteps: number;
}

export function play(plan: Plan, trace: ((text: string) => void) | null = null): Promise<Outcome> {
  return inTurn(() => playNow(plan, trace));
}

function playNow(plan: Plan, trace: ((text: string) => void) | null): Outcome {
  const {
    seed,
    replicas,
    engineAlone,
    unattended = false,
    managed = false,
    witness,
    rots = false,
    steps,
  } = plan;
  const witnesses = witness === undefined ? [] : witness === "one" ? [WITNESS_NAME] : VOTER_NAMES;
  const options = { seed, replicas, engineAlone, witnesses, attended: !unattended, trace };
  const world = rots ? new RotWorld(options) : managed ? new ManagedWorld(options) : new World(options);
  let failure: Error | null = null;
  let [eventsBefore, eventsOfSteps] = [0, 0];
  try {
    const { crash: asked } = plan;
    if (asked !== undefined)
      world.simulation.interruption = { event: asked.event, work: () => crash(world, asked) };
    world.simulation.after(steps[0]?.at ?? 0, null, () => (eventsBefore = world.simulation.events));
    world.start();
    let last = 0;
    for (const step of steps) {
      const { simulation } = world;
      simulation.after(step.at, null, () => perform(world, step));
      last = step.at;
    }
    world.runFor(last + 1);
    eventsOfSteps = world.simulation.events;
    world.heal();
    world.settle(managed ? MANAGED_RECOVERY_MS : RECOVERY_MS);
  } catch (error) {
    failure = error as Error;
  }
  world.end();
  const { simulation, operations, acknowledged, emptied, restored, salvaged } = world;
  return {
    failure,
    simulatedMs: simulation.now,
    operations,
    acknowledged,
    events: simulation.events,
    emptied,
    restored,
    salvaged,
    eventsBefore,
    eventsOfSteps,
  };
}

/** What went wrong, whatever sector or moment it was. */
function kindOf(failure: Error): string {
  return `${failure.name}: ${failure.message}`.replace(/\d+/g, "").slice(0, 30);
}

/** Leaves out steps as long as the plan still fails in the same way.
 * @param attempts at most so many runs
 * @returns the shorter plan, and how it fails */
export async function shrink(plan: Plan, attempts: number): Promise<{ plan: Plan; failure: Error | null }> {
  let best = plan;
  let { failure } = await play(plan);
  for (
    let size = Math.ceil(plan.steps.length / 2);
    size >= 1 && attempts > 0;
    size = size === 1 ? 0 : Math.ceil(size / 2)
  ) {
    for (let at = 0; at < best.steps.length && attempts > 0;) {
      const shorter = { ...best, steps: [...best.steps.slice(0, at), ...best.steps.slice(at + size)] };
      const outcome = await play(shorter);
      attempts--;
      if (outcome.failure === null || failure === null || kindOf(outcome.failure) !== kindOf(failure))
        at += size;
      else {
        best = shorter;
        ({ failure } = outcome);
      }
    }
  }
  return { plan: best, failure };
}
