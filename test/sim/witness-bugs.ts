/** Deliberate bugs of a witness, and of engines that have one. */
import { ReplicaLink } from "../../engine/replica-link.js";
import type { RecordRequest, ReplicaFacts } from "../../proto/control.js";
import { Witness } from "../../replica/witness.js";
import { replacing, type Bug } from "./bug.js";
import { sleep } from "./clock.js";
import { withRestores } from "./plan.js";
import { play } from "./play.js";
import { SimVolume } from "./volume.js";
import { WITNESS_NAME } from "./witness-machine.js";
import { witnessPlanOf } from "./witness-plan.js";
import { worldPlan } from "./worlds.js";

const LATE_MS = 2_000;

function isWitness({ address }: ReplicaLink): boolean {
  return address.startsWith(`${WITNESS_NAME}:`);
}

const BUGS: Bug[] = [
  {
    name: "a witness answers before it has stored a record",
    install: replacing(Witness, "record", (record) => {
      return function (this: Witness, request: RecordRequest) {
        sleep(LATE_MS).then(
          () => (record.call(this, request) as Promise<void>).catch(() => undefined),
          () => undefined,
        );
        return Promise.resolve();
      };
    }),
  },
  {
    name: "a witness stores what follows from another record",
    // Few seeds lead to it: of the first 501 the last alone.
    plan: (seed) => worldPlan("witness", 500 + seed),
    install: replacing(Witness, "record", (record) => {
      return function (this: Witness, request: RecordRequest) {
        return record.call(this, { ...request, basis: null });
      };
    }),
  },
  {
    name: "an engine goes on with one copy although the witness did not store that",
    install: replacing(ReplicaLink, "record", (record) => {
      return function (this: ReplicaLink, ...args) {
        const stored = record.apply(this, args) as Promise<void>;
        return isWitness(this) ? stored.catch(() => undefined) : stored;
      };
    }),
  },
  {
    name: "an engine that starts does not look at what the witness has stored",
    install: replacing(ReplicaLink, "identifyFor", (identify) => {
      return async function (this: ReplicaLink, ...args) {
        const facts = (await identify.apply(this, args)) as ReplicaFacts;
        return isWitness(this) ? { ...facts, record: null } : facts;
      };
    }),
  },
  {
    name: "an engine that starts does not see that a copy or the witness went back in time",
    check: (seed) => play(withRestores(witnessPlanOf(seed), 1)),
    install: replacing(ReplicaLink, "identifyFor", (identify) => {
      return async function (this: ReplicaLink, ...args) {
        const facts = (await identify.apply(this, args)) as ReplicaFacts;
        const { record } = facts;
        return record === null ? facts : { ...facts, record: { ...record, heldByAll: 0 } };
      };
    }),
  },
  {
    name: "reads are answered without a lease",
    install: replacing(SimVolume, "leaseReads", () => () => Promise.resolve()),
  },
];

export const WITNESS_BUGS: Bug[] = BUGS.map((bug) => ({ ...bug, world: "witness" }));
