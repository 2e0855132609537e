/** Deliberate bugs in what is done when a disk fails. */
import { OpenReplica } from "../../replica/open-replica.js";
import { diskStormOf } from "./storm-plan.js";
import { replacing, type Bug } from "./bug.js";
import { SimStore } from "./store.js";

export const DISK_BUGS: Bug[] = [
  {
    name: "that a sync has failed is not kept",
    plan: diskStormOf,
    install: replacing(OpenReplica, "noteLoss", () => () => Promise.resolve()),
  },
  {
    name: "a sync that failed is asked for again",
    plan: diskStormOf,
    install: replacing(SimStore, "syncFiles", (sync) => {
      return function (this: unknown, ...args: unknown[]) {
        for (let tries = 0; tries < 20; tries++) if (sync.apply(this, args) === "") return "";
        return "it fails again and again";
      };
    }),
  },
];
