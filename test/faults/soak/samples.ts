/** What processes use, from /proc. */
import { readdirSync, readFileSync } from "node:fs";

export interface Sample {
  /** bytes of its own: what would be free if it ended */
  uss: number;
  /** bytes */
  rss: number;
  threads: number;
  descriptors: number;
}

/** One process, from its start to its end. */
export interface Life {
  /** `engine`, `replica a`, ... */
  role: string;
  pid: number;
  samples: Sample[];
}

export class Lives {
  readonly all: Life[] = [];

  /** Looks at a role's present process. */
  sample(role: string, pid: number): void {
    let sample: Sample;
    try {
      sample = lookAt(pid);
    } catch {
      return; // it has just ended
    }
    let life = this.all.findLast((each) => each.role === role);
    if (life?.pid !== pid) this.all.push((life = { role, pid, samples: [] }));
    life.samples.push(sample);
  }
}

function lookAt(pid: number): Sample {
  // proc(5): kB in both files.
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "latin1");
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  const number = (text: string, name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1] ?? NaN);
  return {
    uss: 1024 * (number(rollup, "Private_Clean") + number(rollup, "Private_Dirty")),
    rss: 1024 * number(rollup, "Rss"),
    threads: number(status, "Threads"),
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
  };
}
