/**
 * The same as `membership-model.test.ts` with a witness beside two replicas, which engines take in and give up. Nor is a copy
 * ever gone on with alone while another engine goes on without it.
 */
import { testMembership } from "./testing/membership-search.js";

testMembership({ replicas: 2, witness: true, engines: 1, starts: 3, writes: 1, generations: 5, orders: 0 });
testMembership({ replicas: 2, witness: true, engines: 2, starts: 2, writes: 1, generations: 4, orders: 0 });
