/** The agent of a node: Longhorn's instance manager, and what our manager needs beside it. */
import { mkdir } from "node:fs/promises";
import { resolve } from "node:path";
import type { Logger } from "pino";
import { readBootId } from "../../engine/boot-id.js";
import type { HostPort } from "../../engine/host-port.js";
import {
  DiskService,
  InstanceService,
  InstanceServiceStreams,
  NodeAgent,
  NodeAgentStreams,
  ProcessManagerService,
  ProcessManagerServiceStreams,
  ProxyEngineService,
  ProxyEngineServiceStreams,
} from "../../proto/instance-manager.js";
import { streamHandlers } from "../../proto/server-stream.js";
import { unaryHandlers } from "../../proto/unary.js";
import type { LogLevel } from "../log-level.js";
import { lockState } from "./agent-lock.js";
import { diskHandlers } from "./disk-service.js";
import { Disks } from "./disks.js";
import { EngineReports } from "./engine-reports.js";
import { watchFilesystems } from "./filesystem-conditions.js";
import { instanceHandlers, instanceStreams } from "./instance-service.js";
import { Instances } from "./instances.js";
import type { PortRange } from "./ports.js";
import { processHandlers, processStreams } from "./process-service.js";
import { nodeHandlers, nodeStreams, type NodeParts } from "./node-service.js";
import { proxyHandlers, proxyStreams } from "./proxy/service.js";
import { serveAgent, type AgentPorts, type PortServices } from "./server.js";

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
  /** of the node's first disk; "": where the manager's setting says */
  dataPath: string;
  /** "": none is named */
  zone: string;
  /** our own */
  version: string;
  /** of the log, to be changed by whoever asks for it */
  logLevel: LogLevel;
}

export interface RunningAgent {
  ports: AgentPorts<number>;
  /** Nothing is served or looked after any more; what runs goes on.
   * @param stopInstances ends them first */
  stop(stopInstances: boolean): Promise<void>;
}

/** @throws {Error} it cannot be started */
export async function runAgent(options: AgentOptions, log: Logger): Promise<RunningAgent> {
  const { stateDirectory, version, longhorn, dataPath, zone } = options;
  await mkdir(stateDirectory, { recursive: true, mode: 0o700 });
  const unlock = await lockState(stateDirectory);
  const bootId = readBootId(options.bootIdFile);
  const instances = await Instances.open({ ...options, bootId, log });
  const disks = await Disks.open(stateDirectory, (directory) => isUsed(instances, directory), log);
  const engines = new EngineReports(instances, log);
  const endWatch = watchFilesystems(instances);
  let ports: AgentPorts<number> = { processManager: 0, proxy: 0, disk: 0, instance: 0 };
  const node = { instances, engines, disks, bootId, version, longhorn, dataPath, zone, ports: () => ports };
  const server = await serveAgent(servicesOf(node, options.logLevel, log), options.listen);
  ({ ports } = server);
  log.info({ ports, instances: instances.list().length }, "instance manager serves");
  return {
    ports,
    stop: async (stopInstances) => {
      server.close();
      endWatch();
      engines.stop();
      disks.stop();
      instances.stop();
      if (stopInstances) await instances.stopAll();
      unlock();
    },
  };
}

/** Whether a replica that is no process of the past has that directory among its arguments. */
function isUsed(instances: Instances, directory: string): boolean {
  return instances
    .list()
    .some(({ isOver, record }) => !isOver && record.spec.args.some((one) => resolve(one) === directory));
}

function servicesOf(node: NodeParts, logLevel: LogLevel, log: Logger): AgentPorts<PortServices> {
  const { instances, engines, version } = node;
  const processes = processHandlers(instances, version);
  const proxy = proxyHandlers((address) => engines.refresh(address), log);
  return {
    processManager: {
      names: ["ProcessManagerService"],
      services: [
        [ProcessManagerService, unaryHandlers(ProcessManagerService, processes)],
        [
          ProcessManagerServiceStreams,
          streamHandlers(ProcessManagerServiceStreams, processStreams(instances)),
        ],
      ],
    },
    proxy: {
      names: ["imrpc.ProxyEngineService"],
      services: [
        [ProxyEngineService, unaryHandlers(ProxyEngineService, proxy)],
        [ProxyEngineServiceStreams, streamHandlers(ProxyEngineServiceStreams, proxyStreams)],
      ],
    },
    disk: {
      names: ["imrpc.DiskService"],
      services: [[DiskService, unaryHandlers(DiskService, diskHandlers(version))]],
    },
    instance: {
      names: ["imrpc.InstanceService", "aurochs.node.v1.NodeAgent"],
      services: [
        [InstanceService, unaryHandlers(InstanceService, instanceHandlers(instances, version, logLevel))],
        [InstanceServiceStreams, streamHandlers(InstanceServiceStreams, instanceStreams(instances))],
        [NodeAgent, unaryHandlers(NodeAgent, nodeHandlers(node))],
        [NodeAgentStreams, streamHandlers(NodeAgentStreams, nodeStreams(node))],
      ],
    },
  };
}
