/**
 * Runs seeds: `SEED=123` replays one, `--seeds N` runs so many, `--seconds S` goes on for that long, `--soak` until something
 * fails, `--plan FILE` plays steps that were written down, `--bug TEXT` shows how soon the
 * deliberate bugs are found whose names have that in them. `--world managed`: as Longhorn drives a volume, `--world plain`: as
 * `aurochs engine` does, `--world witness`: so, with a witness, `--world rot`: with disks that rot; else all in turn. `TRACE=1` tells everything that happens.
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { BUGS } from "./bugs.js";
import { exhaust } from "./exhaustive.js";
import { find } from "./find-bug.js";
import { play, shrink } from "./play.js";
import type { Plan } from "./plan.js";
import { simulation } from "./simulation.js";
import { worldPlan, WORLDS, type WorldName } from "./worlds.js";

const SHRINK_RUNS_MAX = 400;

const { values: options } = parseArgs({
  options: {
    seeds: { type: "string" },
    seconds: { type: "string" },
    first: { type: "string" },
    soak: { type: "boolean" },
    world: { type: "string" },
    plan: { type: "string" },
    exhaustive: { type: "string" },
    every: { type: "string" },
    share: { type: "string" },
    bug: { type: "string" },
    "keep-going": { type: "boolean" },
    "no-shrink": { type: "boolean" },
  },
});

async function tell(plan: Plan, failure: Error): Promise<void> {
  console.log(`not ok - SEED=${plan.seed}: ${failure.stack ?? failure.message}`);
  if (process.env["TRACE"] !== undefined) await play(plan, (text) => console.log(text));
  if (options["no-shrink"] === true) return;
  const again = await play(plan);
  if (again.failure?.message !== failure.message)
    console.log(`  not the same when played again: ${again.failure?.message ?? "it passes"}`);
  const shorter = await shrink(plan, SHRINK_RUNS_MAX);
  console.log(
    `  ${shorter.plan.steps.length} of ${plan.steps.length} steps are enough: ${shorter.failure?.message ?? ""}`,
  );
  const { steps, ...world } = shorter.plan;
  console.log(`${JSON.stringify(world).slice(0, -1)},"steps":[`);
  console.log(`${steps.map((step) => JSON.stringify(step)).join(",\n")}]}`);
}

function worldOf(text: string | undefined): WorldName | undefined {
  return WORLDS.find((name) => name === text);
}

/** All worlds in turn, unless one is asked for. */
function planFor(seed: number): Plan {
  const world = worldOf(options.world) ?? WORLDS[seed % WORLDS.length];
  return worldPlan(world ?? "plain", seed);
}

async function main(): Promise<number> {
  const started = performance.now();
  const seconds = () => (performance.now() - started) / 1000;
  const only = process.env["SEED"];
  const first = Number(only ?? options.first ?? 1);
  const count = only !== undefined ? 1 : options.seeds !== undefined ? Number(options.seeds) : Infinity;
  const limit =
    options.seconds !== undefined
      ? Number(options.seconds)
      : options.seeds !== undefined || options.soak === true || only !== undefined
        ? Infinity
        : 60;
  const total = {
    seeds: 0,
    failed: 0,
    simulatedMs: 0,
    operations: 0,
    acknowledged: 0,
    events: 0,
    emptied: 0,
    salvaged: 0,
  };
  const report = () => {
    const speed = Math.round(total.simulatedMs / 1000 / seconds());
    console.log(
      `${total.seeds} seeds from ${first}, ${total.failed} failed; ${total.operations} operations, ${total.acknowledged} acknowledged, ` +
        `${total.events} events, ${total.emptied} directories emptied, ${total.salvaged} times salvaged; ${Math.round(total.simulatedMs / 1000)} s simulated in ${seconds().toFixed(1)} s: ${speed} times real time`,
    );
  };
  if (options.plan !== undefined) {
    const plan = JSON.parse(readFileSync(options.plan, "utf8")) as Plan;
    const { failure } = await play(
      plan,
      process.env["TRACE"] === undefined ? null : (text) => console.log(text),
    );
    console.log(failure === null ? `ok - ${options.plan}` : `not ok - ${options.plan}: ${failure.message}`);
    return failure === null ? 0 : 1;
  }
  if (options.exhaustive !== undefined) {
    const tell = (text: string) => console.log(text);
    const [first = 1, of = 1] = (options.share ?? "1/1").split("/").map(Number);
    const extent = {
      ...{ world: worldOf(options.world) ?? "managed", length: Number(options.exhaustive) },
      ...{ every: Number(options.every ?? 1), share: { first: first - 1, of } },
    };
    const { sequences, crashPoints, ofCrashPoints, failed } = await exhaust(extent, tell);
    console.log(
      `${sequences} sequences, ${crashPoints} of ${ofCrashPoints} crash points, ${failed} failed, in ${seconds().toFixed(1)} s`,
    );
    return failed === 0 ? 0 : 1;
  }
  const { bug } = options;
  if (bug !== undefined) {
    let found = true;
    for (const one of BUGS.filter(({ name }) => name.includes(bug))) found = (await find(one)) && found;
    return found ? 0 : 1;
  }
  for (let seed = first; seed < first + count && seconds() < limit; seed++) {
    const plan = planFor(seed);
    const outcome = await play(plan);
    total.seeds++;
    for (const key of ["simulatedMs", "operations", "acknowledged", "events", "emptied", "salvaged"] as const)
      total[key] += outcome[key];
    if (outcome.failure !== null) {
      total.failed++;
      if (options["keep-going"] === true) console.log(`not ok - SEED=${seed}: ${outcome.failure.message}`);
      else {
        await tell(plan, outcome.failure);
        break;
      }
    }
    if (options.soak === true && total.seeds % 1000 === 0) report();
  }
  report();
  return total.failed === 0 ? 0 : 1;
}

// In the product it would have ended the process.
process.on("unhandledRejection", (error) => simulation().fail(error));
process.exit(await main());
