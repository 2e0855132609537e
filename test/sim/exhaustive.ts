/**
 * Every sequence of a few operations, with a crash at every point: `main.ts --exhaustive LENGTH`. A point is an event of the run
 * without a crash; what dies there is the engine, one machine, or all of them. `every`: of the points only each so many.
 */
import { play, type Outcome } from "./play.js";
import type { Crash, Plan, Step } from "./plan.js";

type Make = (at: number) => Step;

const AWAY_MS = 60_000;
const place = { sector: 12, count: 8, fua: false, former: false };
const OPERATIONS: Record<string, Make> = {
  write: (at) => ({ at, do: "write", ...place }),
  flush: (at) => ({ at, do: "flush", ms: 0 }),
  unmap: (at) => ({ at, do: "unmap", ...place }),
  snapshot: (at) => ({ at, do: "snapshot" }),
  revert: (at) => ({ at, do: "revert", index: 0 }),
  fail: (at) => ({ at, do: "killReplica", machine: 1, ms: AWAY_MS, amount: 0 }),
  return: (at) => ({ at, do: "startReplica", machine: 1 }),
};
const VICTIMS: readonly Crash["victim"][] = ["engine", "m1", "m2", "all"];

/** ms: when the first operation is made, and between two of them, enough for most to end */
const BEGIN_MS = 500;
const APART_MS = 60;

/** All of one operation up to `length`. */
function sequences(length: number): string[][] {
  const names = Object.keys(OPERATIONS);
  let last: string[][] = [[]];
  const all: string[][] = [];
  for (let i = 0; i < length; i++) {
    last = last.flatMap((before) => names.map((name) => [...before, name]));
    all.push(...last);
  }
  return all;
}

function planFor(names: readonly string[]): Plan {
  const first: Step = { at: BEGIN_MS, do: "write", ...place, sector: 8 };
  const steps = names.map((name, i) => (OPERATIONS[name] as Make)(BEGIN_MS + (i + 1) * APART_MS));
  const last: Step = { at: BEGIN_MS + (names.length + 1) * APART_MS, do: "read", ...place };
  return { seed: 1, replicas: 2, engineAlone: true, managed: true, steps: [first, ...steps, last] };
}

export interface Total {
  sequences: number;
  crashPoints: number;
  failed: number;
}

export async function exhaust(length: number, every: number, tell: (text: string) => void): Promise<Total> {
  const total = { sequences: 0, crashPoints: 0, failed: 0 };
  const judge = ({ failure }: Outcome, plan: Plan) => {
    if (failure === null) return;
    total.failed++;
    tell(`not ok - ${JSON.stringify(plan)}: ${failure.message}`);
  };
  for (const names of sequences(length)) {
    const plan = planFor(names);
    const whole = await play(plan);
    total.sequences++;
    judge(whole, plan);
    for (let event = whole.eventsBefore; event < whole.eventsOfSteps; event += every) {
      for (const victim of VICTIMS) {
        const crashed = { ...plan, crash: { event, victim } };
        judge(await play(crashed), crashed);
        total.crashPoints++;
      }
    }
  }
  return total;
}
