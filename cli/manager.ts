/** Runs the manager until a signal. */
import { readFile } from "node:fs/promises";
import { EXIT } from "../engine/exit-codes.js";
import { formatHostPort } from "../engine/host-port.js";
import { runManager } from "../manager/main.js";
import { replaceFile } from "../replica/durable-file.js";
import type { ManagerFlags } from "./manager-command.js";
import { adjustableLog } from "./log.js";
import { dieWithParent } from "./parent.js";
import { aborted, stopSignal } from "./signals.js";
import { version } from "./version.js";

/** Ends the process itself: calls to agents may be under way for hours, and go on there, and what was begun must not keep one that
 * cannot serve. */
export async function serveManager(flags: ManagerFlags): Promise<never> {
  dieWithParent();
  const stop = stopSignal();
  const { log, level } = adjustableLog("manager");
  try {
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
    await aborted(stop);
    await manager.stop();
    process.exit(EXIT.OK.code);
  } catch (err) {
    log.fatal({ err }, "the manager cannot serve");
    process.exit(EXIT.FAILED.code);
  }
}

async function readToken(path: string): Promise<string> {
  const token = (await readFile(path, "utf8")).trim();
  if (token === "") throw new Error(`${path} holds no token`);
  return token;
}
