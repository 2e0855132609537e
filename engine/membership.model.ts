/**
 * Every interleaving of up to two engines that start, write, fail replicas, make them copies again, fence each other and
 * crash, over a small number of replicas, generations and writes.
 */
import { testMembership } from "./testing/membership-search.js";

testMembership({ replicas: 2, witness: false, engines: 2, starts: 3, writes: 1, generations: 5, orders: 0 });
testMembership({ replicas: 2, witness: false, engines: 1, starts: 3, writes: 2, generations: 5, orders: 2 });
testMembership({ replicas: 3, witness: false, engines: 1, starts: 2, writes: 1, generations: 4, orders: 1 });
