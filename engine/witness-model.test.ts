/**
 * The same as `membership-model.test.ts` with a witness beside two replicas, which an engine takes in and gives up. Nor is a copy
 * ever gone on with alone while another engine goes on without it. With two engines: `read-lease-model.test.ts`.
 */
import { testMembership } from "./testing/membership-search.js";

testMembership({ replicas: 2, witness: true, engines: 1, starts: 3, writes: 1, generations: 5, orders: 0 });
