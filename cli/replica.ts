/** Runs the replica daemon until a signal. */
import { EXIT } from "../engine/exit-codes.js";
import { runReplica, type ReplicaOptions } from "../replica/main.js";
import { processLog } from "./log.js";
import { dieWithParent } from "./parent.js";
import { aborted, stopSignal } from "./signals.js";

/** @returns the exit code */
export async function serveReplicas(replicas: ReplicaOptions[]): Promise<number> {
  dieWithParent();
  const stop = stopSignal();
  const log = processLog("replica");
  try {
    const daemon = await runReplica(replicas, log);
    await aborted(stop);
    await daemon.stop();
    return EXIT.OK.code;
  } catch (err) {
    log.fatal({ err }, "the replica cannot be served");
    return EXIT.FAILED.code;
  }
}
