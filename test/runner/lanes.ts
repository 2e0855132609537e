/**
 * Phases run one after another in one of two lanes: most of those that start whole processes wait for timers and for each
 * other, and leave processors idle that compilers, fuzzers and searches can have.
 */
import type { Phase } from "./phases.js";

/** How much longer a phase may take in what others leave. */
const PATIENCE = 4;

// Linux may schedule sessions, of which each phase has one, as wholes: their niceness is a matter of its own.
const AT_LOW_PRIORITY = '{ echo 10 > /proc/self/autogroup; } 2> /dev/null; exec nice -n 10 "$@"';

/** @returns the phases of each lane in their order */
export function lanesOf(phases: readonly Phase[]): Phase[][] {
  const main = phases.filter(({ aside }) => aside !== true);
  const beside = phases.filter(({ aside }) => aside === true);
  return main.length === 0 ? [beside] : [main, beside.map(atLowPriority)];
}

function atLowPriority(phase: Phase): Phase {
  return {
    ...phase,
    command: ["sh", "-c", AT_LOW_PRIORITY, "sh", ...phase.command],
    timeoutMs: phase.timeoutMs * PATIENCE,
  };
}
