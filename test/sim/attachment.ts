/** Hears of what a `Controller` attaches, which is its own affair: the initiator is to use it, and the model to know how it fares. */
import { AttachedVolume } from "../../engine/attached-volume.js";
import type { Health } from "../../engine/health.js";
import { runningProcess, type Process } from "./simulation.js";

interface Watcher {
  onHealth: (health: Health) => void;
  onAttached: (attached: AttachedVolume) => void;
}

const watchers = new WeakMap<Process, Watcher>();
const attach = AttachedVolume.attach.bind(AttachedVolume);

AttachedVolume.attach = async (options) => {
  const process = runningProcess();
  const watcher = process === undefined ? undefined : watchers.get(process);
  if (watcher === undefined) return attach(options);
  const onHealth = (health: Health) => {
    watcher.onHealth(health);
    options.onHealth(health);
  };
  const attached = await attach({ ...options, onHealth });
  watcher.onAttached(attached);
  return attached;
};

export function watchAttachment(process: Process, watcher: Watcher): void {
  watchers.set(process, watcher);
}
