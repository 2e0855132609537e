/** What the load has written down (`load/recorded_load.cc`), operation by operation. */

/** ns of CLOCK_MONOTONIC: exact as a number for a hundred days after boot */
export type Time = number;

export type Outcome =
  | { type: "ok" }
  /** the target answered with an error: what a write did is unknown */
  | { type: "error"; sense: string }
  /** no answer came; what it did is unknown, and `end` is when it cannot do anything more */
  | { type: "lost" };

interface Interval {
  start: Time;
  end: Time;
  outcome: Outcome;
}

export interface Write extends Interval {
  /** `unmap` writes version 0 */
  kind: "write" | "unmap";
  sector: number;
  count: number;
  version: number;
  fua: boolean;
}

export interface Read extends Interval {
  kind: "read";
  sector: number;
  /** what the sectors held, from `sector` on; -1: torn, or of elsewhere */
  runs: { version: number; count: number }[];
}

export interface Flush extends Interval {
  kind: "flush";
}

export type Operation = Write | Read | Flush;

/** @throws on a line that is none */
export function parseOperation(line: string): Operation {
  const [kind, start, end, result = "", sector, ...rest] = line.split(" ");
  const interval = { start: Number(start), end: Number(end), outcome: parseOutcome(result) };
  switch (kind) {
    case "W":
    case "X":
    case "U": {
      const [count, version] = rest.map(Number);
      if (count === undefined || version === undefined) break;
      return {
        kind: kind === "U" ? "unmap" : "write",
        ...interval,
        ...{ sector: Number(sector), count, version, fua: kind === "X" },
      };
    }
    case "R": {
      const runs = rest.map((run) => {
        const [version, count] = run.split("x").map(Number);
        return { version: version ?? -1, count: count ?? 0 };
      });
      return { kind: "read", ...interval, sector: Number(sector), runs };
    }
    case "F":
      return { kind: "flush", ...interval };
    default:
  }
  throw new Error(`not an operation: ${line}`);
}

function parseOutcome(result: string): Outcome {
  if (result === "ok") return { type: "ok" };
  return result === "lost" ? { type: "lost" } : { type: "error", sense: result };
}

export function parseRecord(text: string): Operation[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map(parseOperation);
}
