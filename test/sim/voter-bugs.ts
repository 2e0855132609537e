/** Deliberate bugs of a witness' voters. */
import type { AcceptRequest, PromiseRequest, Vote } from "../../proto/voting.js";
import { Witness } from "../../replica/witness.js";
import { replacing, type Bug } from "./bug.js";
import { sleep } from "./clock.js";
import { checkRegister } from "./voters-register.js";

const LATE_MS = 200;

const BUGS: Pick<Bug, "name" | "install">[] = [
  {
    name: "a voter does not keep what it promised",
    install: replacing(Witness, "promise", () => {
      return function (this: Witness, { ballot }: PromiseRequest) {
        return Promise.resolve({ ...this.look(), promised: ballot });
      };
    }),
  },
  {
    name: "a voter takes what follows from another record",
    install: replacing(Witness, "accept", (accept) => {
      return function (this: Witness, request: AcceptRequest) {
        const { change } = request;
        return accept.call(this, { ...request, change: change && { ...change, basis: null } });
      };
    }),
  },
  {
    name: "a voter answers before it has stored what it takes",
    install: replacing(Witness, "accept", (accept) => {
      return function (this: Witness, request: AcceptRequest): Promise<Vote> {
        const { ballot, change, basis } = request;
        sleep(LATE_MS).then(
          () => (accept.call(this, request) as Promise<Vote>).catch(() => undefined),
          () => undefined,
        );
        const held = { record: change?.record ?? basis?.record ?? null, heldGeneration: 0 };
        return Promise.resolve({ ...this.look(), accepted: ballot, held });
      };
    }),
  },
];

export const VOTER_BUGS: Bug[] = BUGS.map((bug) => ({ ...bug, check: checkRegister }));
