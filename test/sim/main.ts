/** Runs the simulator as `options.ts` says. Ends with 1 when something has failed, or a bug was not found. */
import { readFileSync } from "node:fs";
import { BUGS } from "./bugs.js";
import { exhaust, type Total } from "./exhaustive.js";
import { find } from "./find-bug.js";
import { inProcesses, isPart, report } from "./jobs.js";
import { rangeOf, readOptions, type Range } from "./options.js";
import { play, shrink } from "./play.js";
import type { Plan } from "./plan.js";
import { simulation } from "./simulation.js";
import { add, inWords, nothing, tallyOf, type Tally } from "./tally.js";
import { checkRegister } from "./voters-register.js";
import { worldPlan, WORLDS } from "./worlds.js";

const SHRINK_RUNS_MAX = 400;
const REGISTERS = 100;
/** seeds after which an endless run says how far it is */
const REPORT_SEEDS = 1000;

const options = readOptions(process.argv);
const say = (text: string): void => console.log(text);
const trace = process.env["TRACE"] === undefined ? null : say;

const { stackTraceLimit } = Error;
// Most errors of a run are what its plan asks for: where they come from is found out when one has failed.
Error.stackTraceLimit = 0;

const started = performance.now();

function seconds(): number {
  return (performance.now() - started) / 1000;
}

/** Where it comes from, and with how few steps it still does. */
async function lookInto(plan: Plan, failure: Error): Promise<void> {
  Error.stackTraceLimit = stackTraceLimit;
  const again = await play(plan);
  say(
    again.failure?.message === failure.message
      ? (again.failure.stack ?? "")
      : `  not the same when played again: ${again.failure?.message ?? "it passes"}`,
  );
  if (trace !== null) await play(plan, trace);
  if (!options.shrink) return;
  const shorter = await shrink(plan, SHRINK_RUNS_MAX);
  say(
    `  ${shorter.plan.steps.length} of ${plan.steps.length} steps are enough: ${shorter.failure?.message ?? ""}`,
  );
  const { steps, ...world } = shorter.plan;
  say(`${JSON.stringify(world).slice(0, -1)},"steps":[`);
  say(`${steps.map((step) => JSON.stringify(step)).join(",\n")}]}`);
}

/** What the voters keep, by itself. */
async function checkRegisters({ first, count }: Range): Promise<boolean> {
  let [stored, failed] = [0, 0];
  const end = first + (Number.isFinite(count) ? count : REGISTERS);
  for (let seed = first; seed < end && failed === 0; seed++) {
    const outcome = await checkRegister(seed);
    stored += outcome.stored;
    if (outcome.failure === null) continue;
    failed++;
    say(`not ok - SEED=${seed} --register: ${outcome.failure.message}`);
  }
  say(`registers from seed ${first}, ${failed} failed; ${stored} records stored`);
  return failed === 0;
}

function readPlan(file: string): Plan {
  return JSON.parse(readFileSync(file, "utf8")) as Plan;
}

async function playFile(file: string): Promise<boolean> {
  const { failure } = await play(readPlan(file), trace);
  say(failure === null ? `ok - ${file}` : `not ok - ${file}: ${failure.message}`);
  return failure === null;
}

async function exhaustAll(length: number): Promise<boolean> {
  const { world = "managed", every, share, job, jobs } = options;
  if (world !== "managed" && world !== "witness") {
    say(`not ok - --exhaustive: there are no sequences for the world ${world}, only for managed and witness`);
    return false;
  }
  const total: Total = { sequences: 0, crashPoints: 0, ofCrashPoints: 0, failed: 0 };
  if (isPart()) {
    const own = { first: share.first + job.first * share.of, of: share.of * job.of };
    const part = await exhaust({ world, length, every, share: own }, say);
    await report(part);
    return part.failed === 0;
  }
  const good = await inProcesses(jobs, (message) => {
    const part = message as Total;
    total.crashPoints += part.crashPoints;
    total.failed += part.failed;
    // Each part has looked at all.
    [total.sequences, total.ofCrashPoints] = [part.sequences, part.ofCrashPoints];
  });
  const { sequences, crashPoints, ofCrashPoints, failed } = total;
  say(
    `${sequences} sequences, ${crashPoints} of ${ofCrashPoints} crash points, ${failed} failed, in ${seconds().toFixed(1)} s`,
  );
  return good;
}

async function findBugs(text: string): Promise<boolean> {
  const bugs = BUGS.filter(({ name }) => name.includes(text));
  if (bugs.length === 0) say(`not ok - no bug has ${JSON.stringify(text)} in its name`);
  let found = bugs.length > 0;
  const where = {
    seed: options.seed ?? null,
    plan: options.plan === undefined ? null : readPlan(options.plan),
    // Of many it would take too long.
    onFound: bugs.length > 1 ? () => Promise.resolve() : lookInto,
  };
  for (const bug of bugs) found = (await find(bug, where)) && found;
  return found;
}

/** @param tally takes in what each seed has come to
 * @returns false: one has failed, after which none is to be played */
async function playSeeds(
  { first, count, seconds: limit }: Range,
  tally: (one: Tally) => void | Promise<void>,
): Promise<boolean> {
  const { job, world, keepGoing } = options;
  let cpu = cpuSeconds();
  for (let seed = first + job.first; seed < first + count && seconds() < limit; seed += job.of) {
    const plan = worldPlan(world ?? WORLDS[seed % WORLDS.length] ?? "plain", seed);
    const outcome = await play(plan);
    const now = cpuSeconds();
    await tally(tallyOf(outcome, now - cpu));
    cpu = now;
    if (outcome.failure === null) continue;
    if (keepGoing !== true) {
      say(`not ok - SEED=${seed}: ${outcome.failure.message}`);
      await lookInto(plan, outcome.failure);
      return false;
    }
    say(`not ok - SEED=${seed}: ${outcome.failure.message}`);
  }
  return true;
}

/** Shared between processes where there is more than one seed. */
async function playAll(range: Range): Promise<boolean> {
  if (isPart()) return playSeeds(range, report);
  const total = nothing();
  const sayTotal = (): void => say(inWords(total, range.first, seconds()));
  const tally = (one: Tally): void => {
    add(total, one);
    if (options.soak === true && total.seeds % REPORT_SEEDS === 0) sayTotal();
  };
  const jobs = Math.min(options.jobs, range.count);
  const good =
    jobs === 1 ? await playSeeds(range, tally) : await inProcesses(jobs, (one) => tally(one as Tally));
  sayTotal();
  return good && total.failed === 0;
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

function main(): Promise<boolean> {
  const { plan, exhaustive, bug, register } = options;
  if (bug !== undefined) return findBugs(bug);
  if (plan !== undefined) return playFile(plan);
  if (exhaustive !== undefined) return exhaustAll(exhaustive);
  const range = rangeOf(options);
  return register === true ? checkRegisters(range) : playAll(range);
}

// In the product it would have ended the process.
process.on("unhandledRejection", (error) => simulation().fail(error));
process.exit((await main()) ? 0 : 1);
