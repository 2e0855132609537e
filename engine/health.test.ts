import t from "tap";
import { healthOf, type Health, type ReplicaHealth } from "./health.js";

const RW: ReplicaHealth = { address: "a:1", state: { mode: "RW" }, silent: null };
const AWAY: ReplicaHealth = {
  address: "b:1",
  state: { mode: "AWAY", was: { mode: "RW" }, reason: "gone" },
  silent: null,
};
const ERR: ReplicaHealth = { address: "c:1", state: { mode: "ERR", cause: "stale" }, silent: null };

const CASES: [name: string, replicas: ReplicaHealth[], expected: Health][] = [
  ["all copies serve", [RW, RW], { type: "served", shortOf: null }],
  ["one failed", [RW, ERR], { type: "served", shortOf: "replica c:1: stale" }],
  ["one is away: writes wait for it", [RW, AWAY, ERR], { type: "waited", reason: "replica b:1: gone" }],
  [
    "the last one is silent",
    [{ ...RW, silent: { reason: "no answer" } }, ERR],
    { type: "waited", reason: "replica a:1: no answer" },
  ],
];

for (const [name, replicas, expected] of CASES) {
  t.test(`health: ${name}`, async (t) => t.strictSame(healthOf(replicas), expected));
}
