/** What a scenario is: a sentence, what is promised while and after it, and what happens. One file each in `scenarios/`. */
import type { World } from "./world/world.js";

/** In the order of the report's columns. */
export const PROMISES = {
  errors: "no I/O error at the initiator",
  order: "the history is legal",
  durable: "what was flushed survives",
  equal: "the copies are equal",
  healthy: "healthy again by itself",
  clear: "what is wrong is said clearly",
} as const;

export type PromiseName = keyof typeof PROMISES;

export interface Scenario {
  about: string;
  /** part of the phase of the test suite */
  quick: boolean;
  /** of what always holds, what is not promised here, and why */
  except: Partial<Record<PromiseName, string>>;
  play(world: World): Promise<void>;
}

export interface ScenarioOptions {
  quick?: boolean;
  except?: Partial<Record<PromiseName, string>>;
}

/** Load is running when `play` begins, on a volume with two copies; it goes on until all is judged. */
export function scenario(
  about: string,
  { quick = false, except = {} }: ScenarioOptions,
  play: (world: World) => Promise<void>,
): Scenario {
  return { about, quick, except, play };
}
