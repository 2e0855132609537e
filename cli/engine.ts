/** Runs an engine until a signal, or until it has nothing left to do. */
import { exitCode, runEngine } from "../engine/main.js";
import type { EngineOptions } from "../engine/options.js";
import { processLog } from "./log.js";
import { dieWithParent } from "./parent.js";
import { stopSignal } from "./signals.js";

/** Does not return: whatever still is under way when the engine has ended must not keep the process. */
export async function serveEngine(options: EngineOptions): Promise<never> {
  dieWithParent();
  const log = processLog("engine").child({ volume: options.volume });
  const end = await runEngine(options, stopSignal(), log);
  process.exit(exitCode(end));
}
