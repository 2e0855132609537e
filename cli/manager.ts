/** Runs the manager until a signal. */
import { readFile } from "node:fs/promises";
import { formatHostPort } from "../engine/host-port.js";
import { runManager } from "../manager/main.js";
import { replaceFile } from "../replica/durable-file.js";
import type { ManagerFlags } from "./manager-command.js";
import { adjustableLog } from "./log.js";
import { dieWithParent } from "./parent.js";
import { serve } from "./serve.js";
import { version } from "./version.js";

/** Calls to agents may be under way for hours: they go on there. */
export function serveManager(flags: ManagerFlags): Promise<never> {
  dieWithParent();
  const { log, level } = adjustableLog("manager");
  return serve(log, "the manager", async () => {
    const token = flags.tokenFile === undefined ? null : await readToken(flags.tokenFile);
    const manager = await runManager(
      {
        ...{ stateDirectory: flags.stateDir, agents: flags.node, rest: flags.listen, token },
        settings: flags.setting,
        version: version(),
        logLevel: level,
      },
      log,
    );
    const url = `http://${formatHostPort(manager.rest)}`;
    if (flags.readyFile !== undefined)
      await replaceFile(flags.readyFile, JSON.stringify({ url, pid: process.pid }));
    return () => manager.stop();
  });
}

async function readToken(path: string): Promise<string> {
  const token = (await readFile(path, "utf8")).trim();
  if (token === "") throw new Error(`${path} holds no token`);
  return token;
}
