/** Runs the engine of `longhorn controller` until a signal. */
import { REPLICA_TIMEOUT_S } from "../../engine/controller/limits.js";
import { runController } from "../../engine/controller/main.js";
import { EXIT, EXIT_NO_DATA } from "../../engine/exit-codes.js";
import { TakenOverError } from "../../engine/controller/taken-over.js";
import { NoBackendError } from "../../engine/controller/no-backend.js";
import type { ControllerOptions } from "../../engine/controller/options.js";
import { MembershipError, OtherEngineError } from "../../engine/takeover.js";
import { processLog } from "../log.js";
import { stopSignal } from "../signals.js";
import { version } from "../version.js";

/** How an engine ends that is not to be started again as it was. */
export interface FinalEnd {
  code: number;
  reason: string;
}

/** @returns null after an orderly end
 * @throws {Error} an end after which the same start may succeed */
export async function runLonghornController({
  replicaTimeoutS,
  ...options
}: Omit<ControllerOptions, "replicaTimeoutMs"> & { replicaTimeoutS: number }): Promise<FinalEnd | null> {
  const { min, max, otherwise } = REPLICA_TIMEOUT_S;
  const seconds = replicaTimeoutS >= min && replicaTimeoutS <= max ? replicaTimeoutS : otherwise;
  const log = processLog("engine").child({ volume: options.volume });
  try {
    await runController({ ...options, replicaTimeoutMs: seconds * 1_000 }, version(), stopSignal(), log);
    return null;
  } catch (error) {
    const code = finalCode(error);
    if (code === null) throw error;
    return { code, reason: (error as Error).message };
  }
}

function finalCode(error: unknown): number | null {
  if (error instanceof NoBackendError && !error.unreachable) return EXIT_NO_DATA;
  if (error instanceof TakenOverError || error instanceof OtherEngineError) return EXIT.FENCED.code;
  if (error instanceof MembershipError) return EXIT.MEMBERSHIP.code;
  return null;
}
