/** The agent of a node: Longhorn's instance manager, and what our manager needs beside it. */
import { mkdir } from "node:fs/promises";
import type { Logger } from "pino";
import { readBootId } from "../../engine/boot-id.js";
import type { HostPort } from "../../engine/host-port.js";
import {
  DiskService,
  InstanceService,
  InstanceServiceStreams,
  ProcessManagerService,
  ProcessManagerServiceStreams,
} from "../../proto/instance-manager.js";
import { streamHandlers } from "../../proto/server-stream.js";
import { unaryHandlers } from "../../proto/unary.js";
import { lockState } from "./agent-lock.js";
import { diskHandlers } from "./disk-service.js";
import { watchFilesystems } from "./filesystem-conditions.js";
import { instanceHandlers, instanceStreams } from "./instance-service.js";
import { Instances } from "./instances.js";
import type { PortRange } from "./ports.js";
import { processHandlers, processStreams } from "./process-service.js";
import { serveAgent, type AgentPorts } from "./server.js";

export interface AgentOptions {
  /** of the first of four successive ports */
  listen: HostPort;
  stateDirectory: string;
  logsDirectory: string;
  portRange: PortRange;
  /** path of our `longhorn` */
  longhorn: string;
  /** a program, and its arguments, that hosts replicas */
  replicaHost: readonly [string, ...string[]];
  /** file that names the machine's boot; null: the kernel's */
  bootIdFile: string | null;
  /** our own */
  version: string;
}

export interface RunningAgent {
  ports: AgentPorts<number>;
  /** Nothing is served or looked after any more; what runs goes on.
   * @param stopInstances ends them first */
  stop(stopInstances: boolean): Promise<void>;
}

/** @throws {Error} it cannot be started */
export async function runAgent(options: AgentOptions, log: Logger): Promise<RunningAgent> {
  const { stateDirectory, version } = options;
  await mkdir(stateDirectory, { recursive: true, mode: 0o700 });
  const unlock = await lockState(stateDirectory);
  const instances = await Instances.open({ ...options, bootId: readBootId(options.bootIdFile), log });
  const endWatch = watchFilesystems(instances);
  const server = await serveAgent(
    {
      processManager: {
        names: ["ProcessManagerService"],
        services: [
          [ProcessManagerService, unaryHandlers(ProcessManagerService, processHandlers(instances, version))],
          [
            ProcessManagerServiceStreams,
            streamHandlers(ProcessManagerServiceStreams, processStreams(instances)),
          ],
        ],
      },
      proxy: { names: [], services: [] },
      disk: {
        names: ["imrpc.DiskService"],
        services: [[DiskService, unaryHandlers(DiskService, diskHandlers(version))]],
      },
      instance: {
        names: ["imrpc.InstanceService"],
        services: [
          [InstanceService, unaryHandlers(InstanceService, instanceHandlers(instances, version, log))],
          [InstanceServiceStreams, streamHandlers(InstanceServiceStreams, instanceStreams(instances))],
        ],
      },
    },
    options.listen,
  );
  log.info({ ports: server.ports, instances: instances.list().length }, "instance manager serves");
  return {
    ports: server.ports,
    stop: async (stopInstances) => {
      server.close();
      endWatch();
      if (stopInstances) await instances.stopAll();
      unlock();
    },
  };
}
