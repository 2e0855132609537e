/** The engine process: starts, serves until told to stop, and says by its exit code how that went. */
import { writeFileSync, renameSync, rmSync } from "node:fs";
import type { Logger } from "pino";
import { serveControl, type ControlServer } from "./control-server.js";
import { withDeadline } from "./deadline.js";
import { Engine, ListenError, type EngineEnd } from "./engine.js";
import { EXIT, type ExitName } from "./exit-codes.js";
import { STOP_TIMEOUT_MS } from "./limits.js";
import type { EngineOptions } from "./options.js";
import { statusOf } from "./status.js";
import { MembershipError, OtherEngineError } from "./takeover.js";

/** What `readyFile` holds. */
export interface EngineReady {
  /** `iscsi://HOST:PORT/IQN/LUN` */
  iscsi: string;
  pid: number;
  /** control address, null when none is served */
  control: string | null;
}

/** Serves until `stop` is aborted or the engine has nothing left to do.
 * @returns how it ended; the reason has been logged */
export async function runEngine(options: EngineOptions, stop: AbortSignal, log: Logger): Promise<ExitName> {
  if (options.readyFile !== null) rmSync(options.readyFile, { force: true });
  let end: (end: EngineEnd) => void = () => undefined;
  const ended = new Promise<EngineEnd>((resolve) => (end = resolve));
  const engine = new Engine(options, end, log);
  const stopped = new Promise<null>((resolve) => stop.addEventListener("abort", () => resolve(null)));
  let control: ControlServer | null = null;
  try {
    if (options.control !== null) control = await serveControl(options.control, () => statusOf(engine));
    await Promise.race([engine.start(), stopped]);
    if (!stop.aborted) {
      log.info(
        { iscsi: engine.iscsiUrl, generation: engine.generation, engineId: engine.id },
        "volume served",
      );
      if (options.readyFile !== null) writeReady(options.readyFile, engine, control);
    }
  } catch (err) {
    log.fatal({ err }, "the volume cannot be served");
    if (err instanceof MembershipError) return "MEMBERSHIP";
    if (err instanceof OtherEngineError) return "FENCED";
    return err instanceof ListenError ? "LISTEN" : "FAILED";
  }
  const how = await Promise.race([stopped, ended]);
  if (how !== null) return endOf(how, log);
  return (await stopInTime(engine, log)) ? "OK" : "UNCLEAN";
}

function endOf(how: EngineEnd, log: Logger): ExitName {
  switch (how.type) {
    case "fenced":
      log.fatal({ reason: how.reason }, "another engine has taken over");
      return "FENCED";
    case "replaced":
      log.info({}, "another engine has taken over: the volume was handed to it");
      return "FENCED";
    case "failed":
      log.fatal({ err: how.error }, "the volume cannot be served any more");
      return "FAILED";
  }
}

async function stopInTime(engine: Engine, log: Logger): Promise<boolean> {
  try {
    const clean = await withDeadline(engine.stop(), STOP_TIMEOUT_MS);
    log.info({ clean }, "engine stopped");
    return true;
  } catch (err) {
    log.error({ err }, "the engine could not be stopped in order");
    return false;
  }
}

function writeReady(path: string, engine: Engine, control: ControlServer | null): void {
  const ready: EngineReady = { iscsi: engine.iscsiUrl, pid: process.pid, control: control?.address ?? null };
  writeFileSync(`${path}.tmp`, JSON.stringify(ready));
  renameSync(`${path}.tmp`, path);
}

/** The exit code of `name`. */
export function exitCode(name: ExitName): number {
  return EXIT[name].code;
}
