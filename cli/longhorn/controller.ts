/** Runs the engine of `longhorn controller` until a signal. */
import { REPLICA_TIMEOUT_S } from "../../engine/controller/limits.js";
import { runController } from "../../engine/controller/main.js";
import { NoBackendError } from "../../engine/controller/no-backend.js";
import type { ControllerOptions } from "../../engine/controller/options.js";
import { processLog } from "../log.js";
import { stopSignal } from "../signals.js";
import { version } from "../version.js";

/** @returns null after an orderly end; why no replica can be used although all could be asked
 * @throws {Error} */
export async function runLonghornController({
  replicaTimeoutS,
  ...options
}: Omit<ControllerOptions, "replicaTimeoutMs"> & { replicaTimeoutS: number }): Promise<string | null> {
  const { min, max, otherwise } = REPLICA_TIMEOUT_S;
  const seconds = replicaTimeoutS >= min && replicaTimeoutS <= max ? replicaTimeoutS : otherwise;
  const log = processLog("engine").child({ volume: options.volume });
  try {
    await runController({ ...options, replicaTimeoutMs: seconds * 1_000 }, version(), stopSignal(), log);
    return null;
  } catch (error) {
    if (error instanceof NoBackendError && !error.unreachable) return error.message;
    throw error;
  }
}
