/** A scenario: something that happens to a volume once, and how long it takes. */
import type { Progress } from "../rounds.js";

export interface Context {
  /** A folder of this run alone. */
  directory: string;
  /** Small sizes: does it run at all? */
  quick: boolean;
  progress: Progress;
  signal: AbortSignal;
}

/** One figure: what, how much, and its unit. */
export interface Figure {
  what: string;
  value: number;
  unit: string;
  /** The worst and the best round, where there are rounds. */
  range?: { min: number; max: number };
}

export interface Scenario {
  name: string;
  /** For people. */
  about: string;
  run(context: Context): Promise<Figure[]>;
}
