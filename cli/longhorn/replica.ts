/** Hosts the one replica of `longhorn replica`, closed until somebody opens it, until a signal. */
import { runReplica, type ReplicaOptions } from "../../replica/main.js";
import { processLog } from "../log.js";
import { aborted, stopSignal } from "../signals.js";

/** @throws {Error} when it cannot be hosted */
export async function runLonghornReplica(options: ReplicaOptions): Promise<void> {
  const stop = stopSignal();
  const daemon = await runReplica([options], processLog("replica"));
  try {
    await aborted(stop);
  } finally {
    await daemon.stop();
  }
}
