/** What a scenario is: a sentence, what is promised while and after it, and what happens. One file each in `scenarios/`. */
import { AUROCHS, type CommandLine } from "./world/command-line.js";
import type { World } from "./world/world.js";

/** In the order of the report's columns. */
export const PROMISES = {
  errors: "no I/O error at the initiator",
  order: "the history is legal",
  durable: "what was flushed survives",
  equal: "the copies are equal",
  healthy: "healthy again by itself",
  clear: "what is wrong is said clearly",
  struck: "what was done took hold",
} as const;

export type PromiseName = keyof typeof PROMISES;

export interface Scenario {
  about: string;
  /** part of the phase of the test suite */
  quick: boolean;
  /** that engine and replicas are started by */
  commandLine: CommandLine;
  /** the volume has one */
  witness: boolean;
  /** of what always holds, what is not promised here, and why */
  except: Partial<Record<PromiseName, string>>;
  /** what is special about the hosts, before anything runs on them */
  prepare(world: World): Promise<void>;
  play(world: World): Promise<void>;
}

export type ScenarioOptions = Partial<Omit<Scenario, "about" | "play">>;

/** Load is running when `play` begins, on a volume with two copies; it goes on until all is judged. */
export function scenario(
  about: string,
  {
    quick = false,
    commandLine = AUROCHS,
    witness = false,
    except = {},
    prepare = () => Promise.resolve(),
  }: ScenarioOptions,
  play: (world: World) => Promise<void>,
): Scenario {
  return { about, quick, commandLine, witness, except, prepare, play };
}
