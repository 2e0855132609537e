/** Plays one scenario and judges it by its promises. */
import { rmSync } from "node:fs";
import { viewsOf } from "../engine/chain-views.js";
import { checkHistory } from "./history/check.js";
import type { Operation } from "./history/operation.js";
import { VIOLATIONS_TOLD } from "./limits.js";
import { PROMISES, type PromiseName, type Scenario } from "./scenario.js";
import { World } from "./world/world.js";

/** `kept`, `broken` with what was seen, or `open`: not promised, or nothing to judge it by, and why */
export type Judgement = { type: "kept" } | { type: "broken"; seen: string[] } | { type: "open"; why: string };

export interface Counts {
  reads: number;
  writes: number;
  unmaps: number;
  flushes: number;
  errors: number;
  lost: number;
}

export interface Result {
  scenario: string;
  about: string;
  seed: number;
  seconds: number;
  counts: Counts;
  promises: Record<PromiseName, Judgement>;
  /** what was otherwise than the scenario says */
  notes: string[];
  /** where its logs are; null: all was kept, they are removed */
  logs: string | null;
}

/** @param folder a fresh one for data and logs; removed when all promises were kept */
export async function judge(name: string, scenario: Scenario, seed: number, folder: string): Promise<Result> {
  const begin = Date.now();
  const broken = new Map<PromiseName, string[]>();
  const breaks = (promise: PromiseName, seen: string): void => {
    broken.set(promise, [...(broken.get(promise) ?? []), seen].slice(0, VIOLATIONS_TOLD));
  };
  let operations: Operation[];
  const world = await World.make(folder, seed, scenario);
  try {
    try {
      await scenario.prepare(world);
      await world.start();
      await scenario.play(world);
      await world.network.heal();
      if (scenario.except.healthy === undefined) await world.healthy();
    } catch (error) {
      breaks("healthy", (error as Error).message);
    }
    if (world.engine.isRunning && !broken.has("healthy")) {
      await lookAtEverything(world).catch((error: unknown) => breaks("healthy", (error as Error).message));
    }
    operations = (await Promise.all(world.loads.map((load) => load.stop()))).flat();
    // A copy that could not be reached is missed only when a write to it has waited for long enough: all are answered now.
    if (scenario.except.healthy === undefined && world.engine.isRunning && !broken.has("healthy"))
      await world.healthy().catch((error: unknown) => breaks("healthy", (error as Error).message));
    for (const { broken, sector, what } of checkHistory(operations, world.cuts))
      breaks(broken, `sector ${sector}: ${what}`);
    for (const { kind, outcome } of operations)
      if (outcome.type === "error") breaks("errors", `${kind}: ${outcome.sense}`);
    for (const { what, clear } of world.said) if (!clear) breaks("clear", what);
    // What is done again and again need not meet something each time.
    const held = new Set(world.strikes.filter((strike) => strike.held).map(({ what }) => what));
    for (const what of new Set(world.strikes.map((strike) => strike.what)))
      if (!held.has(what)) breaks("struck", `not so: ${what}`);
    if (world.strikes.length === 0) breaks("struck", "nothing was done that had an effect");
    if (scenario.except.equal === undefined && !broken.has("healthy"))
      for (const difference of await stopAndCompare(world)) breaks("equal", difference);
  } finally {
    if (broken.size > 0) await world.keep();
    await world.remove();
  }
  const open = {
    ...(world.cuts.length === 0 ? { durable: "nothing lost its power everywhere" } : {}),
    ...(world.said.length === 0 ? { clear: "nothing had to be said" } : {}),
    ...scenario.except,
  };
  const judgement = (promise: PromiseName): Judgement => {
    const why = open[promise];
    if (why !== undefined) return { type: "open", why };
    const seen = broken.get(promise);
    return seen === undefined ? { type: "kept" } : { type: "broken", seen };
  };
  const promises = Object.fromEntries(
    (Object.keys(PROMISES) as PromiseName[]).map((promise) => [promise, judgement(promise)]),
  ) as Record<PromiseName, Judgement>;
  const failed = Object.values(promises).some(({ type }) => type === "broken");
  if (!failed) rmSync(folder, { recursive: true, force: true });
  return {
    ...{ scenario: name, about: scenario.about, seed, seconds: (Date.now() - begin) / 1000 },
    ...{ counts: count(operations), promises, notes: world.notes, logs: failed ? folder : null },
  };
}

/** Goes on for a little, and reads everything, by initiators that the present engine serves. */
async function lookAtEverything({ loads, engine }: World): Promise<void> {
  for (const load of loads.filter(({ url }) => url === engine.url)) {
    load.run();
    await load.progress(200);
    await load.sweep();
  }
}

/** Stops everything in order. @returns what is then different between the copies */
async function stopAndCompare(world: World): Promise<string[]> {
  const differences: string[] = [];
  for (const { process } of [world.engine, ...world.replicas]) {
    process.signal("SIGTERM");
    const end = await process.ended();
    if (end !== 0) differences.push(`a process was stopped in order and ended with ${end}`);
  }
  const [one, other] = await Promise.all([viewsOf(world.a.directory), viewsOf(world.b.directory)]);
  for (const name of new Set([...Object.keys(one), ...Object.keys(other)]))
    if (one[name] !== other[name]) differences.push(`${name} differs`);
  return differences;
}

function count(operations: readonly Operation[]): Counts {
  const of = (kind: Operation["kind"]): number =>
    operations.filter((operation) => operation.kind === kind && operation.outcome.type === "ok").length;
  const ended = (type: Operation["outcome"]["type"]): number =>
    operations.filter(({ outcome }) => outcome.type === type).length;
  return {
    ...{ reads: of("read"), writes: of("write"), unmaps: of("unmap"), flushes: of("flush") },
    ...{ errors: ended("error"), lost: ended("lost") },
  };
}
