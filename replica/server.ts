/** The control port of one replica. */
import { Server, status } from "@grpc/grpc-js";
import type { Logger } from "pino";
import { ReplicaControl } from "../proto/control.js";
import { addHealth } from "../proto/health.js";
import { ReplicaService } from "../proto/longhorn.js";
import { addReflection } from "../proto/reflection.js";
import { RpcError, unaryHandlers } from "../proto/unary.js";
import { bindServer } from "./bind-server.js";
import type { HostedReplica } from "./hosted-replica.js";
import { ReplicaDecisions } from "./replica-decisions.js";
import { longhornHandlers } from "./replica-service.js";
import { ReplicaError } from "./replica-error.js";

export interface ControlServer {
  port: number;
  /** Ends at once: calls under way are cut off. */
  close(): void;
}

/** @param port 0: any free one
 * @throws {ReplicaError} when the address cannot be bound */
export async function serveControl(
  hosted: HostedReplica,
  host: string,
  port: number,
  log: Logger,
): Promise<ControlServer> {
  const server = new Server();
  const replica = new ReplicaDecisions(hosted, log);
  server.addService(
    ReplicaControl,
    unaryHandlers(ReplicaControl, {
      identify: () => coded(() => replica.identify()),
      recorded: () => coded(() => replica.recorded()),
      record: (request) => coded(() => replica.record(request).then(nothing)),
      inheritedRegions: (request) => coded(() => replica.inheritedRegions(request)),
      missedRegions: (request) => coded(() => replica.missedRegions(request)),
      agreed: (request) => coded(() => replica.agreed(request).then(nothing)),
      release: (request) => coded(() => replica.release(request).then(nothing)),
      prepareSnapshot: (request) => coded(() => replica.prepareSnapshot(request).then(nothing)),
      commitSnapshot: (request) => coded(() => replica.commitSnapshot(request).then(nothing)),
      abandonSnapshot: (request) => coded(() => replica.abandonSnapshot(request).then(nothing)),
    }),
  );
  const { volume, instanceName } = hosted.options;
  const identity = { role: "replica", volumeName: volume ?? undefined, instanceName } as const;
  server.addService(ReplicaService, unaryHandlers(ReplicaService, longhornHandlers(hosted), identity));
  addHealth(server);
  addReflection(server, ["ptypes.ReplicaService", "grpc.health.v1.Health"]);
  const bound = await bindServer(server, host, port);
  return { port: bound, close: () => server.forceShutdown() };
}

const nothing = () => ({});

// The one error of a replica that a caller can act on; all others are UNKNOWN with their text.
async function coded<T>(call: () => T | Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof ReplicaError && error.code === "NO_SPACE") {
      throw new RpcError(status.RESOURCE_EXHAUSTED, error.message, { cause: error });
    }
    throw error;
  }
}
