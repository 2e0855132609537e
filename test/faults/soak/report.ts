/** What a soak has survived, in words. */
import { flatnessOf, type Flatness } from "./flatness.js";
import type { Survived } from "./soak.js";

const MIB = 1 << 20;
const GIB = 1 << 30;

export interface Verdict extends Survived {
  /** of the lives that were long enough to tell */
  flatness: Flatness[];
  passed: boolean;
}

export function verdictOn(survived: Survived): Verdict {
  const flatness = survived.lives.map(flatnessOf).filter((each) => each !== null);
  const passed = survived.violations.length === 0 && flatness.every(({ grows }) => grows.length === 0);
  return { ...survived, flatness, passed };
}

export function text(verdict: Verdict): string {
  const { seed, seconds, faults, operations, errors, lost, written, read, lives, violations } = verdict;
  const { blocks, snapshots, verifications, longestRecovery, flatness, passed } = verdict;
  const kinds = Object.entries(faults).sort(([, one], [, other]) => other - one);
  const count = kinds.reduce((sum, [, times]) => sum + times, 0);
  const rows: [string, string][] = [
    ["seconds", seconds.toFixed(0)],
    ["seed", String(seed)],
    [
      "operations answered",
      `${thousands(operations)}; ${errors} with an error, ${lost} in sessions that were lost`,
    ],
    ["written, read", `${(written / GIB).toFixed(2)} GiB, ${(read / GIB).toFixed(2)} GiB`],
    ["faults", thousands(count)],
    ...kinds.map(([name, times]): [string, string] => [`  ${name}`, String(times)]),
    ["longest until healthy", `${longestRecovery.toFixed(1)} s`],
    ["blocks verified", `${thousands(blocks)}, in ${verifications} looks at everything`],
    ["snapshots compared", String(snapshots)],
    ["processes", `${lives.length}, ${flatness.length} of them long enough to tell whether they grow`],
    ...flatness.map(({ role, samples, quartiles, grows }): [string, string] => {
      const { uss, threads, descriptors } = quartiles;
      const told = (name: string, found: Flatness["quartiles"]["uss"], shown: (value: number) => string) =>
        found === null ? `${name} not judged` : `${shown(found.early)} -> ${shown(found.late)} ${name}`;
      const parts = [
        told("MiB", uss, (bytes) => (bytes / MIB).toFixed(1)),
        told("threads", threads, String),
        told("descriptors", descriptors, String),
      ];
      const verdict = grows.length === 0 ? "flat" : `GROWS: ${grows.join(", ")}`;
      return [`  ${role}`, `${parts.join(", ")}, ${samples} samples: ${verdict}`];
    }),
    ["memory", verdictOnMemory(flatness)],
    ["violations", String(violations.length)],
  ];
  const width = Math.max(...rows.map(([name]) => name.length)) + 2;
  return [
    ...rows.map(([name, value]) => `${name.padEnd(width)}${value}`),
    ...violations.map((each) => `  ${each}`),
    passed ? "survived" : "NOT SURVIVED",
  ].join("\n");
}

function verdictOnMemory(flatness: readonly Flatness[]): string {
  const judged = flatness.filter(({ quartiles }) => quartiles.uss !== null);
  const growing = judged.filter(({ grows }) => grows.includes("uss"));
  if (judged.length === 0) return "NOT JUDGED: no process lived long enough";
  return growing.length === 0
    ? `flat in all ${judged.length} lives that were long enough`
    : `GROWS in ${growing.length} of ${judged.length} lives`;
}

function thousands(count: number): string {
  return count.toLocaleString("en");
}
