/**
 * Deliberate bugs, by name: each takes something away from the product's classes, or from those that stand in for the
 * addon's, in this process alone. `find-bug.ts` shows that the simulator finds it.
 */
import { RecordKeeper } from "../../engine/record-keeper.js";
import { ReplicaLink } from "../../engine/replica-link.js";
import { ReplicaDecisions } from "../../replica/replica-decisions.js";
import { SimDataServer } from "./data-server.js";
import { Disk } from "./disk.js";
import { RegionMap } from "./region-map.js";
import { SimStore, type StoreRequest } from "./store.js";
import { SimVolume } from "./volume.js";
import { replacing, type Bug, type Method } from "./bug.js";
import { CHAIN_BUGS } from "./chain-bugs.js";
import { DISK_BUGS } from "./disk-bugs.js";
import { ROT_BUGS } from "./rot-bugs.js";
import { VOTER_BUGS } from "./voter-bugs.js";
import { WITNESS_BUGS } from "./witness-bugs.js";

function submitting(change: (request: StoreRequest, submit: (request: StoreRequest) => void) => void) {
  return replacing(SimStore, "submit", (submit) => {
    return function (this: SimStore, request: StoreRequest) {
      change(request, (changed) => submit.call(this, changed));
    };
  });
}

export const BUGS: Bug[] = [
  {
    name: "a flush is answered without a sync",
    install: submitting((request, submit) => {
      if (request.op === "flush") request.done("OK", "", null);
      else submit(request);
    }),
  },
  {
    name: "FUA is ignored",
    install: submitting((request, submit) => submit({ ...request, fua: false })),
  },
  {
    name: "an unmap is answered and not done",
    install: submitting((request, submit) => {
      if (request.op === "unmap") request.done("OK", "", null);
      else submit(request);
    }),
  },
  {
    name: "a write is answered when one replica has it",
    install: replacing(SimVolume, "answered", (answered) => {
      return function (
        this: unknown,
        request: { flight: { audience: string; kind: string } },
        status: string,
        ...rest: unknown[]
      ) {
        answered.call(this, request, status, ...rest);
        const { flight } = request;
        if (status === "OK" && flight.audience === "writers" && flight.kind === "write")
          (this as { finish: Method }).finish(flight, "OK");
      };
    }),
  },
  {
    name: "every write is refused",
    install: replacing(SimVolume, "writeSectors", () => () => Promise.reject(new Error("it is refused"))),
  },
  {
    name: "overlapping writes do not wait for each other",
    install: replacing(SimVolume, "overlapping", () => () => []),
  },
  {
    name: "a region is written before its bit is durable",
    install: replacing(RegionMap, "covers", (covers) => {
      return function (this: unknown, ...range) {
        covers.apply(this, range);
        return true;
      };
    }),
  },
  {
    name: "a region is forgotten when its epoch ends, before it is settled",
    install: replacing(RegionMap, "startEpoch", (startEpoch) => {
      return function (this: { settle: (ticket: number) => void; ticket: number }, epoch) {
        startEpoch.call(this, epoch);
        if (epoch !== 0) this.settle(this.ticket);
      };
    }),
  },
  {
    name: "what an engine left is not inherited",
    install: replacing(ReplicaLink, "inheritedRegions", (ask) => {
      return async function (this: unknown, ...args) {
        const reply = (await ask.apply(this, args)) as { bitmap: Uint8Array };
        return { ...reply, bitmap: new Uint8Array(reply.bitmap.length) };
      };
    }),
  },
  {
    name: "what a replica missed is not copied",
    install: replacing(ReplicaLink, "missedRegions", (ask) => {
      return async function (this: unknown, ...args) {
        const reply = (await ask.apply(this, args)) as { bitmap: Uint8Array };
        return { ...reply, bitmap: new Uint8Array(reply.bitmap.length) };
      };
    }),
  },
  {
    name: "a failure is not recorded",
    install: replacing(
      RecordKeeper,
      "advance",
      () => (holders: unknown) => Promise.resolve({ survivors: holders, failures: [] }),
    ),
  },
  {
    name: "a reboot is not noticed",
    install: replacing(ReplicaDecisions, "identify", (identify) => {
      return async function (this: unknown) {
        return { ...((await identify.call(this)) as object), lostWrites: false };
      };
    }),
  },
  {
    name: "a fence lets old streams go on",
    install: replacing(SimDataServer, "fence", () => () => Promise.resolve()),
  },
  {
    name: "directories are not synced",
    install: replacing(Disk, "syncNames", () => () => undefined),
  },
  ...CHAIN_BUGS,
  ...WITNESS_BUGS,
  ...VOTER_BUGS,
  ...ROT_BUGS,
  ...DISK_BUGS,
];
