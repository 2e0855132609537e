/** What `test/sim/run` is asked to do. */
import { availableParallelism } from "node:os";
import { Command, InvalidArgumentError, Option } from "commander";
import { WORLDS, type WorldName } from "./worlds.js";

/** seconds that seeds are run for when nothing says how many */
const SECONDS = 60;

export interface Options {
  seed?: number;
  seeds?: number;
  first: number;
  seconds?: number;
  soak?: true;
  world?: WorldName;
  register?: true;
  keepGoing?: true;
  shrink: boolean;
  exhaustive?: number;
  every: number;
  share: Share;
  /** processes that share the work */
  jobs: number;
  /** this one's part of it */
  job: Share;
  plan?: string;
  bug?: string;
}

/** Of so many things each `of`th, from this one on. */
export interface Share {
  first: number;
  of: number;
}

const ALL: Share = { first: 0, of: 1 };

/** Which seeds, until a limit of time, seconds. */
export interface Range {
  first: number;
  count: number;
  seconds: number;
}

function whole(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value === 0)
    throw new InvalidArgumentError("not a whole number above 0");
  return value;
}

function share(text: string): Share {
  const [, first = 0, of = 0] = (/^(\d+)\/(\d+)$/.exec(text) ?? []).map(Number);
  if (first < 1 || first > of) throw new InvalidArgumentError("not a share; example: 1/20");
  return { first: first - 1, of };
}

/** @param argv as `process.argv`: what is wrong in it ends the process with a text */
export function readOptions(argv: string[]): Options {
  const command = new Command("test/sim/run")
    .description(
      "Runs the product's engines and replicas in a simulated world: seed after seed, until one fails.",
    )
    .addOption(new Option("--seed <n>", "run that seed alone").env("SEED").argParser(whole))
    .option("--seeds <n>", "run so many seeds", whole)
    .option("--first <n>", "the first seed", whole, 1)
    .option("--seconds <n>", `run seeds for so long (absent, as --seeds is: ${SECONDS})`, whole)
    .option("--soak", "run seeds until one fails")
    .addOption(new Option("--world <name>", "of one world only (absent: all in turn)").choices(WORLDS))
    .option("--register", "what voters keep, by itself, in place of a world")
    .option("--keep-going", "go on after a seed that fails, and do not look into it")
    .option("--no-shrink", "do not look for fewer steps that fail, too")
    .option(
      "--exhaustive <length>",
      "all sequences of so many operations, with a crash at every event",
      whole,
    )
    .option("--every <n>", "... at each nth event only", whole, 1)
    .addOption(
      new Option("--share <k/n>", "... of n shares of the sequences the kth only")
        .argParser(share)
        .default(ALL, "1/1"),
    )
    .option("--jobs <n>", "share the work between so many processes", whole, availableParallelism())
    .addOption(new Option("--job <k/n>").argParser(share).default(ALL).hideHelp())
    .option("--plan <file>", "play steps that were written down")
    .option(
      "--bug <text>",
      'look for the deliberate bugs that have this in their names; "": for all (with --seed, or --plan, there alone; of one it is shown what it leads to)',
    )
    .addHelpText("after", "\nTRACE=1 in the environment tells everything that happens.");
  return command.allowExcessArguments(false).parse(argv).opts();
}

export function rangeOf({ seed, first, seeds, seconds, soak }: Options): Range {
  if (seed !== undefined) return { first: seed, count: 1, seconds: Infinity };
  const unlimited = seeds !== undefined || soak === true;
  return { first, count: seeds ?? Infinity, seconds: seconds ?? (unlimited ? Infinity : SECONDS) };
}
