/** Runs the node's replica host until a signal. */
import { pino } from "pino";
import { EXIT } from "../engine/exit-codes.js";
import { noteExit } from "../manager/instance-manager/exit-file.js";
import { ReplicaHost, type ReplicaLog } from "../manager/replica-host/host.js";
import { serveReplicaHost } from "../manager/replica-host/server.js";
import { LOG_OPTIONS, processLog } from "./log.js";
import { aborted, stopSignal } from "./signals.js";

/** @returns the exit code */
export async function runReplicaHost(socket: string): Promise<number> {
  noteExit();
  const stop = stopSignal();
  const log = processLog("replica-host");
  const host = new ReplicaHost(openLog, log);
  try {
    const close = await serveReplicaHost(host, socket);
    log.info({ socket }, "replica host serves");
    await aborted(stop);
    await host.stop();
    close();
    // A connection whose other end has vanished would keep it for a while.
    process.exit(EXIT.OK.code);
  } catch (err) {
    log.fatal({ err }, "the replica host cannot serve");
    return EXIT.FAILED.code;
  }
}

function openLog(file: string): ReplicaLog {
  const destination = pino.destination({ dest: file, append: true, mkdir: true, sync: true });
  return { log: pino({ name: "replica", ...LOG_OPTIONS }, destination), close: () => destination.end() };
}
