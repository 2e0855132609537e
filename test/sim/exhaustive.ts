/**
 * Every sequence of a few operations, with a crash at every point: `main.ts --exhaustive LENGTH`. A point is an event of the run
 * without a crash, from the first operation until the last one has had its time; what dies there is an engine, one machine, or all of
 * them. `every`: of the points only each so many. `share`: of the sequences only each so many, beginning with one of them.
 */
import type { Share } from "./options.js";
import { play, type Outcome } from "./play.js";
import type { Crash, Plan, Step } from "./plan.js";
import type { WorldName } from "./worlds.js";

interface Kind {
  /** that it has until the next one: enough for most to end */
  ms: number;
  make: (at: number) => Step | Step[];
  /** Whether it does anything after others; absent: always. */
  counts?: (before: readonly string[]) => boolean;
}

interface Space {
  world: Pick<Plan, "replicas" | "engineAlone" | "managed" | "witness">;
  operations: Record<string, Kind>;
  victims: readonly Crash["victim"][];
}

const AWAY_MS = 60_000;
/** longer than others wait for one that has failed */
const GIVEN_UP_MS = 6_000;
/** that one that is back needs to be a copy */
const BACK_MS = 600;
const WITNESS_BACK_MS = 1_500;
const WITNESS = 3;
const place = { sector: 12, count: 8, fua: false, former: false };
const write: Kind = { ms: 60, make: (at) => ({ at, do: "write", ...place }) };
const flush: Kind = { ms: 60, make: (at) => ({ at, do: "flush", ms: 0 }) };

/** The two of one machine. */
function failAndReturn(
  machine: number,
  [fail, comeBack]: [string, string],
  backMs: number,
): Space["operations"] {
  const isAway = (before: readonly string[]) => before.lastIndexOf(fail) > before.lastIndexOf(comeBack);
  return {
    [fail]: {
      ms: GIVEN_UP_MS,
      make: (at) => ({ at, do: "killReplica", machine, ms: AWAY_MS, amount: 0 }),
      counts: (before) => !isAway(before),
    },
    [comeBack]: { ms: backMs, make: (at) => ({ at, do: "startReplica", machine }), counts: isAway },
  };
}

const MANAGED: Space = {
  world: { replicas: 2, engineAlone: true, managed: true },
  operations: {
    write,
    flush,
    unmap: { ms: 60, make: (at) => ({ at, do: "unmap", ...place }) },
    snapshot: { ms: 60, make: (at) => ({ at, do: "snapshot" }) },
    revert: {
      ms: 60,
      make: (at) => ({ at, do: "revert", index: 0 }),
      counts: (before) => before.includes("snapshot"),
    },
    ...failAndReturn(1, ["fail", "return"], BACK_MS),
  },
  victims: ["engine", "m1", "m2", "all"],
};

const WITNESSED: Space = {
  world: { replicas: 2, engineAlone: false, witness: "one" },
  operations: {
    write,
    flush,
    ...failAndReturn(1, ["fail", "return"], BACK_MS),
    ...failAndReturn(WITNESS, ["failWitness", "returnWitness"], WITNESS_BACK_MS),
    takeOver: {
      ms: 2 * GIVEN_UP_MS,
      make: (at) => [
        { at, do: "cutOff", machine: 0, ms: GIVEN_UP_MS + 4_000 },
        { at: at + 1, do: "secondEngine", host: 1 },
      ],
    },
  },
  victims: ["engine", "m1", "m2", "w1", "all"],
};

const BEGIN_MS = 500;

/** All of one operation up to `length`, but for those with an operation that does nothing where it stands: they are shorter ones. */
function sequences({ operations }: Space, length: number): string[][] {
  const kinds = Object.entries(operations);
  let last: string[][] = [[]];
  const all: string[][] = [];
  for (let i = 0; i < length; i++) {
    last = last.flatMap((before) =>
      kinds.flatMap(([name, { counts }]) => (counts?.(before) === false ? [] : [[...before, name]])),
    );
    all.push(...last);
  }
  return all;
}

function planFor({ world, operations }: Space, names: readonly string[]): Plan {
  const steps: Step[] = [{ at: BEGIN_MS, do: "write", ...place, sector: 8 }];
  let at = BEGIN_MS + write.ms;
  for (const name of names) {
    const { ms, make } = operations[name] as Kind;
    steps.push(...[make(at)].flat());
    at += ms;
  }
  steps.push({ at, do: "read", ...place });
  return { seed: 1, ...world, steps };
}

export interface Total {
  sequences: number;
  crashPoints: number;
  /** that there are, of all sequences */
  ofCrashPoints: number;
  failed: number;
}

export interface Extent {
  world: WorldName;
  length: number;
  every: number;
  share: Share;
}

export async function exhaust(
  { world, length, every, share }: Extent,
  tell: (text: string) => void,
): Promise<Total> {
  const space = world === "witness" ? WITNESSED : MANAGED;
  const total = { sequences: 0, crashPoints: 0, ofCrashPoints: 0, failed: 0 };
  const judge = ({ failure }: Outcome, plan: Plan) => {
    if (failure === null) return;
    total.failed++;
    tell(`not ok - ${JSON.stringify(plan)}: ${failure.message}`);
  };
  for (const [index, names] of sequences(space, length).entries()) {
    const plan = planFor(space, names);
    const whole = await play(plan);
    total.sequences++;
    total.ofCrashPoints += space.victims.length * (whole.eventsOfSteps - whole.eventsBefore);
    judge(whole, plan);
    if (index % share.of !== share.first) continue;
    for (let event = whole.eventsBefore; event < whole.eventsOfSteps; event += every) {
      for (const victim of space.victims) {
        const crashed = { ...plan, crash: { event, victim } };
        judge(await play(crashed), crashed);
        total.crashPoints++;
      }
    }
  }
  return total;
}
