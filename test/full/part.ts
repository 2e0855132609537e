/** What a full run consists of: commands, and what their output comes to. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Result } from "../faults/judge.js";
import type { Find } from "../faults/report/text.js";
import { countCases } from "../runner/count.js";
import type { CellResult } from "../workloads/cell.js";

/** How much is to be done. */
export interface Bounds {
  /** s of seeds in the simulator */
  simSeconds: number;
  /** of so many sequences each first one is played at all its crash points */
  shareOf: number;
  /** operations of a sequence, at most */
  length: number;
  /** of the rig; empty: all */
  scenarios: string[];
  /** of the simulator, and of the rig, that have this in their names; "": all */
  bugs: string;
  /** power cuts in each cell of the matrix */
  cuts: number;
  /** s for each fuzz target */
  fuzzSeconds: number;
  /** the first one */
  seed: number;
}

/** A bug that was planted on purpose. */
export interface Bug {
  judge: "simulator" | "rig";
  name: string;
  about: string;
  /** null: it was not found */
  seconds: number | null;
}

export interface Outcome {
  /** what was counted, by its name */
  numbers: Record<string, number>;
  /** promises that were broken, and what else must not be: all have to be 0 */
  violations: number;
  bugs: Bug[];
  /** of the rig */
  scenarios: Result[];
}

export interface Part {
  name: string;
  about: string;
  /** @param folder its own, for a report */
  command(bounds: Bounds, folder: string): string[];
  /** @param folder the same */
  read(output: string, folder: string): Outcome;
}

const NOTHING = { numbers: {}, violations: 0, bugs: [], scenarios: [] };

/** The last one that matches, as numbers. */
function numbersOf(output: string, pattern: RegExp): number[] {
  return ([...output.matchAll(pattern)].at(-1) ?? []).slice(1).map(Number);
}

function readSeeds(output: string): Outcome {
  const pattern = /^(\d+) seeds from \d+, (\d+) failed; (\d+) operations, (\d+) acknowledged, (\d+) events/gm;
  const [seeds = 0, failed = 0, operations = 0, acknowledged = 0, events = 0] = numbersOf(output, pattern);
  return { ...NOTHING, numbers: { seeds, operations, acknowledged, events }, violations: failed };
}

function exhaustive(world: "managed" | "witness", thin: number): Part {
  return {
    name: `exhaustive-${world}`,
    about: `all sequences of operations, a crash at each event, in the ${world} world: a share of them`,
    command: ({ shareOf, length }) => [
      ...["test/sim/run", "--exhaustive", String(length), "--world", world],
      ...["--share", `1/${shareOf * thin}`],
    ],
    read: (output) => {
      const pattern = /^(\d+) sequences, (\d+) of (\d+) crash points, (\d+) failed/gm;
      const [sequences = 0, points = 0, ofPoints = 0, failed = 0] = numbersOf(output, pattern);
      const numbers = { sequences, "crash points": points, "of crash points": ofPoints };
      return { ...NOTHING, numbers, violations: failed };
    },
  };
}

function readSimulatorBugs(output: string): Outcome {
  const bugs = [
    ...output.matchAll(/^(not )?ok - (.+?): (?:SEED=\d+, after ([\d.]+) s|not found)(?:: | )(.*)$/gm),
  ].map(([, not, name = "", seconds = "", about = ""]): Bug => ({
    ...{ judge: "simulator", name, about },
    seconds: not === undefined ? Number(seconds) : null,
  }));
  return { ...NOTHING, numbers: {}, bugs };
}

interface RigReport {
  results: Result[];
  finds: Find[];
}

function rigReport(folder: string): RigReport {
  const file = join(folder, "report.json");
  if (!existsSync(file)) return { results: [], finds: [] };
  return JSON.parse(readFileSync(file, "utf8")) as RigReport;
}

function readRig(folder: string): Outcome {
  const { results } = rigReport(folder);
  const operations = results.reduce((sum, { counts: { reads, writes, unmaps, flushes, errors } }) => sum + reads + writes + unmaps + flushes + errors, 0); // prettier-ignore
  const judged = (type: string): number =>
    results.flatMap(({ promises }) => Object.values(promises)).filter((each) => each.type === type).length;
  const numbers = { scenarios: results.length, operations, "promises kept": judged("kept") };
  return { ...NOTHING, numbers, violations: judged("broken"), scenarios: results };
}

function readCuts(folder: string): Outcome {
  const file = join(folder, "workloads.json");
  const cells = existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as CellResult[]) : [];
  const sum = (of: (cell: CellResult) => number): number =>
    cells.reduce((total, each) => total + of(each), 0);
  const failed = cells.filter(({ failure }) => failure !== "").length;
  return {
    ...NOTHING,
    numbers: {
      cells: cells.length,
      cuts: sum(({ cuts }) => cuts),
      transactions: sum(({ acknowledged }) => acknowledged),
    },
    violations: sum(({ lost, repairs }) => lost + repairs) + failed,
  };
}

function readFuzzers(output: string): Outcome {
  const runs = [...output.matchAll(/^Done (\d+) runs/gm)].reduce((sum, [, each]) => sum + Number(each), 0);
  const { passed, failed } = countCases("summary", output, 0);
  return { ...NOTHING, numbers: { targets: passed + failed, inputs: runs }, violations: failed };
}

/** In the order in which they are run. */
export const PARTS: readonly Part[] = [
  {
    name: "simulator",
    about: "engines and replicas in simulated worlds, a seed a run",
    command: ({ simSeconds, seed }) => [
      ...["test/sim/run", "--first", String(seed), "--seconds", String(simSeconds), "--keep-going"],
    ],
    read: readSeeds,
  },
  exhaustive("managed", 1),
  // Its sequences have more crash points.
  exhaustive("witness", 2),
  {
    name: "simulator-bugs",
    about: "bugs that are planted in the simulator, each of which has to be found",
    command: ({ bugs }) => ["test/sim/run", "--bug", bugs],
    read: readSimulatorBugs,
  },
  {
    name: "rig",
    about: "real processes, and hosts, links and disks that fail, under a load that is judged",
    command: ({ seed, scenarios }, folder) => [
      ...["test/faults/run", "--seed", String(seed), "--report", folder, ...scenarios],
    ],
    read: (_, folder) => readRig(folder),
  },
  {
    name: "rig-bugs",
    about: "bugs that are planted in the rig, each of which has to be found",
    command: ({ seed }, folder) => ["test/faults/run", "--bugs", "--seed", String(seed), "--report", folder],
    read: (_, folder) => ({
      ...NOTHING,
      bugs: rigReport(folder).finds.map(({ bug, about, seconds, found }): Bug => ({
        ...{ judge: "rig", name: bug, about },
        seconds: found === null ? null : seconds,
      })),
    }),
  },
  {
    name: "power-cuts",
    about: "the power is cut under SQLite and PostgreSQL, of one node and of all",
    command: ({ cuts, seed }, folder) => [
      ...["test/workloads/run", "--cuts", String(cuts), "--seed", String(seed), "--report", folder],
    ],
    read: (_, folder) => readCuts(folder),
  },
  {
    name: "fuzzers",
    about: "what comes from outside, mutated, under ASan and UBSan",
    command: ({ fuzzSeconds, seed }) => ["native/fuzz/run", String(fuzzSeconds), String(seed)],
    read: readFuzzers,
  },
];
