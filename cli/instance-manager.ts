/** Runs the agent of a node until a signal. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { EXIT } from "../engine/exit-codes.js";
import { runAgent } from "../manager/instance-manager/main.js";
import type { InstanceManagerFlags } from "./instance-manager-command.js";
import { adjustableLog } from "./log.js";
import { dieWithParent } from "./parent.js";
import { aborted, stopSignal } from "./signals.js";
import { version } from "./version.js";

/** Ends the process itself: what is looked after outlives it, and what was begun must not keep one that cannot serve. */
export async function runInstanceManager(flags: InstanceManagerFlags): Promise<never> {
  dieWithParent();
  const stop = stopSignal();
  const { log, level } = adjustableLog("instance-manager");
  try {
    const agent = await runAgent(
      {
        listen: flags.listen,
        stateDirectory: flags.stateDir,
        logsDirectory: flags.logsDir ?? join(flags.stateDir, "logs"),
        portRange: flags.portRange,
        longhorn: program("longhorn"),
        replicaHost: [program("aurochs"), "replica-host"],
        bootIdFile: flags.bootIdFile ?? null,
        dataPath: flags.dataPath ?? "",
        zone: flags.zone,
        version: version(),
        logLevel: level,
      },
      log,
    );
    await aborted(stop);
    await agent.stop(flags.stopInstances);
    process.exit(EXIT.OK.code);
  } catch (err) {
    log.fatal({ err }, "the instance manager cannot serve");
    process.exit(EXIT.FAILED.code);
  }
}

/** One of our executables: the one that runs lies in the same checkout, whether bundled or not. */
function program(name: string): string {
  const start = fileURLToPath(import.meta.url);
  return join(start.slice(0, start.lastIndexOf("/dist/")), "bin", name);
}
