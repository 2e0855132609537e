/** What the test command runs of the simulator: plans that failed once, a corpus of seeds, and deliberate bugs. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { summaryLine } from "../runner/count.js";
import { BUGS } from "./bugs.js";
import { exhaust } from "./exhaustive.js";
import { find } from "./find-bug.js";
import type { Plan } from "./plan.js";
import { play } from "./play.js";
import { simulation } from "./simulation.js";
import { diskStormOf, powerStormOf, returnStormOf, revertStormOf } from "./storm-plan.js";
import { checkRegister } from "./voters-register.js";
import { worldPlan, WORLDS } from "./worlds.js";

const PLANS = fileURLToPath(new URL("../../../test/sim/plans", import.meta.url));
/** Seeds 1 to these: what takes a core some 30 s. */
const REGISTER_SEEDS = 40;
const STORM_SEEDS = 20;
const STORMS = { power: powerStormOf, return: returnStormOf, revert: revertStormOf, disk: diskStormOf };
const SEEDS = { plain: 120, managed: 60, witness: 100, voters: 100, rot: 60 };

const total = { passed: 0, failed: 0, skipped: 0 };
const work = { operations: 0, simulatedMs: 0, events: 0, emptied: 0 };

async function check(name: string, plan: Plan): Promise<void> {
  const { failure, ...done } = await play(plan);
  for (const key of ["operations", "simulatedMs", "events", "emptied"] as const) work[key] += done[key];
  if (failure === null) total.passed++;
  else {
    total.failed++;
    console.log(`not ok - ${name}: ${failure.message}`);
  }
}

// Nobody reads where the errors of a run come from.
Error.stackTraceLimit = 0;
process.on("unhandledRejection", (error) => simulation().fail(error));
for (const name of existsSync(PLANS) ? readdirSync(PLANS).sort() : [])
  await check(name, JSON.parse(readFileSync(`${PLANS}/${name}`, "utf8")) as Plan);
for (const world of WORLDS)
  for (let seed = 1; seed <= SEEDS[world]; seed++)
    await check(`SEED=${seed} --world ${world}`, worldPlan(world, seed));
for (const [name, planOf] of Object.entries(STORMS))
  for (let seed = 1; seed <= STORM_SEEDS; seed++) await check(`storm ${name}, seed ${seed}`, planOf(seed));
for (let seed = 1; seed <= REGISTER_SEEDS; seed++) {
  const { failure } = await checkRegister(seed);
  if (failure === null) total.passed++;
  else {
    total.failed++;
    console.log(`not ok - register, seed ${seed}: ${failure.message}`);
  }
}
for (const world of ["managed", "witness"] as const) {
  const extent = { world, length: 1, every: 25, share: { first: 0, of: 1 } };
  const small = await exhaust(extent, (text) => console.log(text));
  total.passed += small.sequences + small.crashPoints - small.failed;
  total.failed += small.failed;
}
// That it bites.
for (const bug of BUGS) {
  if (await find(bug)) total.passed++;
  else total.failed++;
}
const { operations, simulatedMs, events, emptied } = work;
const seconds = Math.round(simulatedMs / 1000);
console.log(
  `${operations} operations, ${events} events, ${seconds} s simulated, ${emptied} directories emptied`,
);
console.log(summaryLine(total));
process.exit(total.failed === 0 ? 0 : 1);
