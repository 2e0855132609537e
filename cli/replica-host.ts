/** Runs the node's replica host until a signal. */
import { pino } from "pino";
import { noteExit } from "../manager/instance-manager/exit-file.js";
import { ReplicaHost, type ReplicaLog } from "../manager/replica-host/host.js";
import { serveReplicaHost } from "../manager/replica-host/server.js";
import { LOG_OPTIONS, processLog } from "./log.js";
import { serve } from "./serve.js";

export function runReplicaHost(socket: string): Promise<never> {
  noteExit();
  const log = processLog("replica-host");
  const host = new ReplicaHost(openLog, log);
  return serve(log, "the replica host", async () => {
    const close = await serveReplicaHost(host, socket);
    log.info({ socket }, "replica host serves");
    return async () => {
      await host.stop();
      close();
    };
  });
}

function openLog(file: string): ReplicaLog {
  const destination = pino.destination({ dest: file, append: true, mkdir: true, sync: true });
  return { log: pino({ name: "replica", ...LOG_OPTIONS }, destination), close: () => destination.end() };
}
