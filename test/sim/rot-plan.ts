/** What happens to a world whose disks rot: snapshots that are hashed, one that rots, replicas that are rebuilt and come back. */
import type { Plan, Step } from "./plan.js";
import { Random } from "./random.js";

const ROT = 0x69696969;
const REPLICAS = 3;
const BEGIN_MS = 500;

export function rotPlanOf(seed: number): Plan {
  const random = new Random(seed ^ ROT);
  const steps: Step[] = [];
  let at = BEGIN_MS;
  const write = () => {
    for (let i = 1 + random.below(12); i > 0; i--) {
      at += random.between(1, 30);
      const place = { sector: random.below(256), count: 1 + random.below(24) };
      steps.push({ at, do: "write", ...place, fua: false, former: false });
    }
  };
  const snapshots = 1 + random.below(3);
  write();
  for (let i = 0; i < snapshots; i++) {
    at += random.between(50, 500);
    steps.push({ at, do: "snapshot" });
    at += random.between(200, 1_000);
    if (random.chance(0.8)) steps.push({ at, do: "hash", index: i });
    at += random.between(100, 1_000);
    write();
  }
  const machine = random.below(REPLICAS);
  for (let i = 1 + random.below(2); i > 0; i--) {
    at += random.between(0, 500);
    steps.push({ at, do: "rot", machine, index: random.chance(0.85) ? random.below(snapshots) : null });
  }
  at += random.between(0, 1_000);
  if (random.chance(0.4)) for (let i = 0; i < snapshots; i++) steps.push({ at, do: "rehash", index: i });
  // At least one copy is never touched.
  const lost = (machine + 1) % REPLICAS;
  for (let i = 1 + random.below(2); i > 0; i--) {
    at += random.between(100, 4_000);
    if (random.chance(0.6)) {
      steps.push({ at, do: "removeReplica", machine: lost });
      at += random.between(500, 2_000);
      steps.push({ at, do: "addReplica", machine: lost, empty: true });
      at += random.between(500, 4_000);
    } else {
      const ms = random.between(100, 12_000);
      steps.push({ at, do: "killReplica", machine: lost, ms, amount: 0 });
      at += random.between(0, ms);
      if (random.chance(0.5)) steps.push({ at, do: "snapshot" });
      at += ms;
    }
    write();
  }
  return { seed, replicas: REPLICAS, engineAlone: true, managed: true, rots: true, steps };
}
