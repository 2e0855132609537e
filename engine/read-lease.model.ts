/**
 * The same searches with two engines at a time, of which one is read while the other one takes over: what is answered is never old. The lease
 * is needed for that, and each of its parts.
 */
import { testFinds, testMembership } from "./testing/membership-search.js";

const BOUNDS = { replicas: 2, engines: 2, starts: 2, writes: 1, generations: 4, reads: true } as const;

testMembership({ ...BOUNDS, witness: true, orders: 0 });
testMembership({ ...BOUNDS, witness: false, orders: 1 });
for (const without of ["lease", "wait", "leased record"] as const) {
  testFinds({ ...BOUNDS, witness: true, orders: 1, without });
  testFinds({ ...BOUNDS, witness: false, orders: 1, without });
}
