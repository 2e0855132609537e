import t from "tap";
import type { Condition } from "../objects/fields.js";
import { nodeEvents } from "./node-events.js";

const is = (type: string, status = "True", reason = "", message = ""): Condition => ({ type, status, reason, message, lastProbeTime: "", lastTransitionTime: "" }); // prettier-ignore

/** A node with one disk. */
function status(node: Condition, disk: Condition, room = is("Schedulable")) {
  return { conditions: [node], diskStatus: { main: { conditions: [disk, room] } } } as unknown as Parameters<typeof nodeEvents>[1]; // prettier-ignore
}

const READY = is("Ready");
const WELL = status(READY, READY);
const GONE = is("Ready", "False", "NoDiskInfo", "/disk is not there");
const VANISHED = status(READY, GONE, is("Schedulable", "False", "DiskNotReady", "the disk is not ready"));
const FULL = status(
  READY,
  READY,
  is("Schedulable", "False", "DiskPressure", "1 GiB of 100 GiB are available"),
);
const DOWN = status(
  is("Ready", "False", "KubernetesNodeNotReady", "its agent cannot be reached"),
  is("Ready", "False", "NodeNotReady", "node n is not ready"),
  is("Schedulable", "False", "DiskNotReady", "the disk is not ready"),
);
const NONE = { conditions: [], diskStatus: {} };
const UNSEEN = status(is("Ready", "Unknown"), is("Ready", "Unknown", "NoDiskInfo"), is("Schedulable", "False", "DiskNotReady")); // prettier-ignore

const CASES: [what: string, before: typeof WELL, now: typeof WELL, told: string[]][] = [
  ["nothing turns", WELL, WELL, []],
  ["a disk is full", WELL, FULL, ["Warning Schedulable: disk main of node n is not schedulable: DiskPressure, 1 GiB of 100 GiB are available"]],
  ["a disk is as full as it was", FULL, FULL, []],
  ["a disk has room again", FULL, WELL, ["Normal Schedulable: disk main of node n is schedulable"]],
  ["a disk vanishes", WELL, VANISHED, ["Warning Ready: disk main of node n is not ready: NoDiskInfo, /disk is not there"]],
  ["a disk is back", VANISHED, WELL, ["Normal Ready: disk main of node n is ready", "Normal Schedulable: disk main of node n is schedulable"]],
  ["a node goes, and its disks with it", WELL, DOWN, ["Warning Ready: node n is not ready: KubernetesNodeNotReady, its agent cannot be reached"]],
  ["a node comes back without its disk", DOWN, VANISHED, ["Normal Ready: node n is ready", "Warning Ready: disk main of node n is not ready: NoDiskInfo, /disk is not there"]],
  ["a new one was not looked at yet", NONE, UNSEEN, []],
  ["a new one is well", UNSEEN, WELL, ["Normal Ready: node n is ready", "Normal Ready: disk main of node n is ready", "Normal Schedulable: disk main of node n is schedulable"]],
  ["a new disk is none", NONE, VANISHED, ["Normal Ready: node n is ready", "Warning Ready: disk main of node n is not ready: NoDiskInfo, /disk is not there"]],
]; // prettier-ignore

for (const [what, before, now, told] of CASES)
  t.test(what, (t) => {
    t.strictSame(
      nodeEvents("n", now, before).map(({ type, reason, message }) => `${type} ${reason}: ${message}`),
      told,
    );
    t.end();
  });
