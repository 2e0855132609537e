/** What happens to a world with a witness: what happens to any, what happens to the witness, and engines that take over. */
import { faultStep, planOf, type Plan, type Step } from "./plan.js";
import { Random } from "./random.js";

const WITNESS = 0x3c3c3c3c;
const VOTERS = 0x69696969;
const BEGIN_MS = 500;
const CHAOS_MS = 40_000;

const KINDS = [
  ...(["killReplica", "hangReplica", "cutPower", "slowDisk", "slowNetwork", "failDisk", "fullDisk"] as const),
];

export function witnessPlanOf(seed: number): Plan {
  const random = new Random(seed ^ WITNESS);
  const plan = { ...planOf(seed), witness: "one" as const };
  const steps = [...plan.steps];
  for (let i = random.below(6); i > 0; i--)
    steps.push(...witnessFault(random.between(BEGIN_MS, CHAOS_MS), random, plan.replicas));
  for (let i = random.below(4); i > 0; i--)
    steps.push(...takeover(random.between(BEGIN_MS, CHAOS_MS), random, plan.replicas));
  steps.sort((a, b) => a.at - b.at);
  return { ...plan, steps };
}

/** The same with voters in the place of the witness: what happens to it happens to any of them. */
export function voterPlanOf(seed: number): Plan {
  const random = new Random(seed ^ VOTERS);
  const plan = witnessPlanOf(seed);
  const witness = plan.replicas + 1;
  const any = (machine: number) => (machine === witness ? witness + random.below(3) : machine);
  const steps = plan.steps.flatMap((step): Step[] => {
    // The others could not bear the loss of one more, and are none any more.
    if (step.do === "emptyWitness") return [];
    if (step.do === "block") return [{ ...step, from: any(step.from), to: any(step.to) }];
    return ["machine" in step ? { ...step, machine: any(step.machine) } : step];
  });
  return { ...plan, witness: "voters", steps };
}

function witnessFault(at: number, random: Random, replicas: number): Step[] {
  const witness = replicas + 1;
  if (random.chance(0.1)) return [{ at, do: "emptyWitness" }];
  const ms = random.pick([300, 2_000, 7_000, 15_000]) * random.between(0.5, 1.5);
  if (random.chance(0.3)) {
    const [from, to] = random.chance(0.5)
      ? [witness, random.below(replicas + 1)]
      : [random.below(replicas + 1), witness];
    return [{ at, do: "block", from, to, both: random.chance(0.5), ms }];
  }
  return [{ ...faultStep(at, random, random.pick(KINDS), replicas), machine: witness } as Step];
}

/** The engine is cut off with a copy, and soon another one is started on the other side, and used as well. */
function takeover(at: number, random: Random, replicas: number): Step[] {
  const machine = random.below(replicas);
  const ms = random.between(2_000, 20_000);
  const startAt = at + random.pick([0, 500, 6_000]) * random.between(0.5, 1.5);
  const steps: Step[] = [
    { at, do: "cutOff", machine, ms },
    { at: startAt, do: "secondEngine", host: 1 },
  ];
  // What the one that is cut off is still asked for.
  for (let time = at; time < at + ms; time += random.between(50, 1_500)) {
    const place = { sector: random.below(64), count: 1 + random.below(16), former: true };
    steps.push(
      random.chance(0.5)
        ? { at: time, do: "write", ...place, fua: false }
        : { at: time, do: "read", ...place },
    );
  }
  // One copy more is lost, or the witness is.
  if (random.chance(0.4)) {
    const victim = random.pick([...Array(replicas).keys(), replicas + 1]);
    const kind = random.pick(["killReplica", "cutPower", "hangReplica"] as const);
    steps.push({
      at: at + random.between(0, ms),
      do: kind,
      machine: victim,
      ms: random.between(100, 9_000),
      amount: 0,
    });
  }
  return steps;
}
