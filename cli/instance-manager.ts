/** Runs the agent of a node until a signal. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runAgent } from "../manager/instance-manager/main.js";
import type { InstanceManagerFlags } from "./instance-manager-command.js";
import { adjustableLog } from "./log.js";
import { dieWithParent } from "./parent.js";
import { serve } from "./serve.js";
import { version } from "./version.js";

/** What is looked after outlives it. */
export function runInstanceManager(flags: InstanceManagerFlags): Promise<never> {
  dieWithParent();
  const { log, level } = adjustableLog("instance-manager");
  return serve(log, "the instance manager", async () => {
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
    return () => agent.stop(flags.stopInstances);
  });
}

/** One of our executables: the one that runs lies in the same checkout, whether bundled or not. */
function program(name: string): string {
  const start = fileURLToPath(import.meta.url);
  return join(start.slice(0, start.lastIndexOf("/dist/")), "bin", name);
}
