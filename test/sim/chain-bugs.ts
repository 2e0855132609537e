/** Deliberate bugs in what is done to the chain, and to replicas that are added. */
import { Joining } from "../../engine/joining.js";
import { RecordKeeper } from "../../engine/record-keeper.js";
import { SnapshotFollowers } from "../../engine/snapshot-followers.js";
import type { Absence } from "../../proto/control.js";
import { LiveChain } from "../../replica/live-chain.js";
import { ReceivedFile } from "../../replica/sync/received-file.js";
import { powerStormOf, returnStormOf, revertStormOf } from "./storm-plan.js";
import { replacing, type Bug } from "./bug.js";
import { runningProcess } from "./simulation.js";
import { SimStore } from "./store.js";

/** Whether the code that runs is that of one of the replicas. */
function isSecond(): boolean {
  return runningProcess()?.machine === "m2";
}

const nothing = () => Promise.resolve();

interface Layers {
  layers: {
    path: string;
    inode: {
      data: { blocks: Map<number, Int32Array>; set: (block: number, content: Int32Array | null) => void };
    };
  }[];
}

const BUGS: Bug[] = [
  {
    name: "a snapshot is answered by a replica that does not take it",
    install: replacing(LiveChain, "commit", (commit) => {
      return function (this: LiveChain) {
        return isSecond() ? this.abandon() : commit.call(this);
      };
    }),
  },
  {
    name: "a snapshot is in the chain before it is durable",
    plan: powerStormOf,
    install: replacing(LiveChain, "commit", (commit) => {
      return async function (this: { store: SimStore }) {
        const { store } = this;
        const hold = store.holdChanges.bind(store);
        store.holdChanges = () => hold(false);
        try {
          return await commit.call(this);
        } finally {
          Reflect.deleteProperty(store, "holdChanges");
        }
      };
    }),
  },
  {
    name: "a replica comes back by what was known of it before a revert",
    plan: revertStormOf,
    install: replacing(RecordKeeper, "absenceOf", (absenceOf) => {
      return function (this: RecordKeeper, id: string) {
        const absence = absenceOf.call(this, id) as Absence | null;
        return absence?.excludedAt === 0 ? { ...absence, excludedAt: absence.heldAtMost + 1 } : absence;
      };
    }),
  },
  {
    name: "a revert keeps a block of the head",
    install: replacing(LiveChain, "revert", (revert) => {
      return async function (this: { store: unknown }, ...args: unknown[]) {
        const store = this.store as Layers;
        const [kept] = store.layers.at(-1)?.inode.data.blocks ?? [];
        await revert.apply(this, args);
        if (kept !== undefined) store.layers.at(-1)?.inode.data.set(...kept);
      };
    }),
  },
  {
    name: "a merge drops what the lower layer holds",
    install: replacing(SimStore, "mergeLayers", (merge) => {
      return function (this: unknown, lower: string, ...rest: unknown[]) {
        const { data } = (this as Layers).layers.find(({ path }) => path === lower)?.inode ?? {};
        for (const block of [...(data?.blocks.keys() ?? [])]) data?.set(block, null);
        return merge.call(this, lower, ...rest);
      };
    }),
  },
  {
    name: "a prune frees what the head does not hide",
    install: replacing(SimStore, "pruneLayer", (prune) => {
      return async function (this: unknown, path: string, ...rest: unknown[]) {
        await prune.call(this, path, ...rest);
        const { data } = (this as Layers).layers.find((layer) => layer.path === path)?.inode ?? {};
        for (const block of [...(data?.blocks.keys() ?? [])].slice(0, 1)) data?.set(block, null);
      };
    }),
  },
  {
    name: "an expansion is answered and not done",
    install: replacing(LiveChain, "expand", (expand) => {
      return function (this: unknown, ...args) {
        return isSecond() ? Promise.resolve() : expand.apply(this, args);
      };
    }),
  },
  {
    name: "snapshots that a replica took before it held everything are not copied",
    plan: returnStormOf,
    install: replacing(SnapshotFollowers, "copy", () => (slot: { doubtful: string[] }) => {
      slot.doubtful = [];
      return Promise.resolve();
    }),
  },
  {
    name: "what a rebuild sends is not written",
    install: replacing(ReceivedFile, "writeExtents", () => nothing),
  },
  {
    name: "what changed during a rebuild is not copied",
    install: replacing(Joining, "copy", () => () => Promise.resolve(0)),
  },
];

export const CHAIN_BUGS: Bug[] = BUGS.map((bug) => ({ ...bug, world: "managed" }));
