/**
 * The same as `membership.model.ts` with a witness beside two or three replicas, which an engine takes in and gives up. Nor is a copy
 * ever gone on with alone while another engine goes on without it. With two engines and reads: `read-lease.model.ts`.
 */
import { testMembership } from "./testing/membership-search.js";

testMembership({ replicas: 2, witness: true, engines: 1, starts: 3, writes: 1, generations: 5, orders: 0 });
testMembership({ replicas: 3, witness: true, engines: 1, starts: 2, writes: 1, generations: 3, orders: 0 });
// A witness that joins by the very record that is later than what it has is found here. Up to 7 generations: 10 minutes.
testMembership({ replicas: 2, witness: true, engines: 2, starts: 2, writes: 1, generations: 4, orders: 0 });
