/** NodeAgent: the node as its manager sees it, pushed; and what is done on its disks and file systems. */
import { hostname, release } from "node:os";
import { status } from "@grpc/grpc-js";
import { connectMembers, using } from "../../engine/client/connections.js";
import type { NodeAgent, NodeAgentStreams, NodeEvent, NodeFacts } from "../../proto/instance-manager.js";
import { RpcError } from "../../proto/rpc-error.js";
import { untilGone, type Outgoing, type StreamHandlers } from "../../proto/server-stream.js";
import type { Handlers } from "../../proto/unary.js";
import type { Disks } from "./disks.js";
import type { EngineReports } from "./engine-reports.js";
import { findPrograms, trimFilesystem } from "./host-filesystems.js";
import { instanceResponse } from "./instance-service.js";
import type { Instances } from "./instances.js";
import { WATCH_BACKLOG_MAX } from "./limits.js";
import { MachineUse } from "./machine-use.js";
import { ProcessInstance } from "./process-instance.js";
import type { AgentPorts } from "./server.js";

/** What a node is made of. */
export interface NodeParts {
  instances: Instances;
  engines: EngineReports;
  disks: Disks;
  bootId: string;
  version: string;
  /** path of our `longhorn` */
  longhorn: string;
  /** of its first disk; "": where the manager's setting says */
  dataPath: string;
  /** "": none is named */
  zone: string;
  /** told when they are bound */
  ports: () => AgentPorts<number>;
}

export function nodeHandlers({ disks, engines, instances }: NodeParts): Handlers<typeof NodeAgent> {
  const machine = new MachineUse();
  return {
    engineTotals: async ({ name }) => ({ totals: await engines.totals(name) }),
    diskInit: ({ name, path, uuid }) => disks.init(name, path, uuid),
    diskForget: ({ name }) => disks.forget(name).then(() => ({})),
    diskScan: ({ name }) => disks.scan(name),
    replicaDirectoryRemove: ({ disk, name }) => disks.removeReplicaDirectory(disk, name).then(() => ({})),
    filesystemTrim: async ({ volume, encrypted }) => {
      if (!/^[\w.-]+$/.test(volume)) throw new RpcError(status.INVALID_ARGUMENT, `"${volume}" is no volume`);
      return trimFilesystem(volume, encrypted);
    },
    engineWitnessSet: async ({ name, address }) => {
      const engine = connectMembers(engineAt(instances, name), { volumeName: "", instanceName: name });
      await using(engine, (members) =>
        members.call(`failed to give engine ${name} a witness`, (calls, options) =>
          calls.witnessSet({ address }, options),
        ),
      );
      return {};
    },
    requiredPackages: () => Promise.resolve({ programs: findPrograms() }),
    machineUse: () => Promise.resolve(machine.look()),
  };
}

/** @throws {RpcError} NOT_FOUND, FAILED_PRECONDITION */
function engineAt(instances: Instances, name: string): string {
  const engine = instances.get(name);
  if (!(engine instanceof ProcessInstance) || engine.record.engine === null || engine.address === null)
    throw new RpcError(status.FAILED_PRECONDITION, `${name} is no engine of ours that runs`);
  return engine.address;
}

export function nodeStreams(node: NodeParts): StreamHandlers<typeof NodeAgentStreams> {
  return { watch: (_request, out) => sendNode(node, out) };
}

/** @throws {RpcError} RESOURCE_EXHAUSTED when the receiver is too far behind: it begins anew */
async function sendNode(node: NodeParts, { send, signal }: Outgoing<NodeEvent>): Promise<void> {
  const { instances, engines, disks } = node;
  let behind = 0;
  const tooSlow = new AbortController();
  const tell = (event: Partial<NodeEvent>) => {
    behind = send(event) ? 0 : behind + 1;
    if (behind > WATCH_BACKLOG_MAX) tooSlow.abort();
  };
  tell({
    state: {
      node: factsOf(node),
      instances: instances.list().map((instance) => instanceResponse(instance)),
      engines: engines.list(),
      disks: disks.list(),
    },
  });
  const ends = [
    instances.watch((instance, deleted) => tell({ instance: instanceResponse(instance, deleted) })),
    engines.watch((engine) => tell({ engine })),
    disks.watch((disk, name) => tell(disk === null ? { diskForgotten: name } : { disk })),
  ];
  await untilGone(AbortSignal.any([signal, tooSlow.signal]));
  for (const end of ends) end();
  if (tooSlow.signal.aborted) throw new RpcError(status.RESOURCE_EXHAUSTED, "the watcher is too far behind");
}

function factsOf({ bootId, version, longhorn, dataPath, zone, ports }: NodeParts): NodeFacts {
  const { processManager, proxy, disk, instance } = ports();
  return {
    ...{ hostname: hostname(), bootId, version, kernel: release(), architecture: process.arch },
    ...{ longhorn, dataPath, zone },
    ...{ processManagerPort: processManager, proxyPort: proxy, diskPort: disk, instancePort: instance },
  };
}
