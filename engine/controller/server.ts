/** The controller's gRPC port: Longhorn's services, health and reflection. */
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { EngineMembers, EngineWatch, EngineWatchStreams } from "../../proto/engine-watch.js";
import { addHealth } from "../../proto/health.js";
import type { ServerIdentity } from "../../proto/identity.js";
import { ControllerService, Profiler } from "../../proto/longhorn.js";
import { profilerHandlers } from "../../proto/profiler.js";
import { addReflection } from "../../proto/reflection.js";
import { streamHandlers } from "../../proto/server-stream.js";
import { unaryHandlers } from "../../proto/unary.js";
import { ListenError } from "../engine.js";
import { formatHostPort, type HostPort } from "../host-port.js";
import type { Controller } from "./controller.js";
import { membersHandlers } from "./members-service.js";
import { controllerHandlers } from "./service.js";
import { totalsHandlers, watchHandlers } from "./watch-service.js";

const SERVICES = [
  ...["ptypes.ControllerService", "profilerrpc.Profiler", "aurochs.engine.v1.EngineWatch"],
  "aurochs.engine.v1.EngineMembers",
  "grpc.health.v1.Health",
];

export interface ControllerServer {
  /** a port 0 is replaced by the one that was free */
  address: string;
  close: () => void;
}

/** @throws {ListenError} */
export async function serveController(
  controller: Controller,
  listen: HostPort,
  version: string,
): Promise<ControllerServer> {
  const { volume: volumeName, instanceName } = controller.options;
  const identity: ServerIdentity = { volumeName, instanceName, role: "controller" };
  const server = new Server();
  server.addService(
    ControllerService,
    unaryHandlers(ControllerService, controllerHandlers(controller, version), identity),
  );
  server.addService(Profiler, unaryHandlers(Profiler, profilerHandlers(listen.port), identity));
  server.addService(EngineWatch, unaryHandlers(EngineWatch, totalsHandlers(controller), identity));
  server.addService(EngineMembers, unaryHandlers(EngineMembers, membersHandlers(controller), identity));
  server.addService(EngineWatchStreams, streamHandlers(EngineWatchStreams, watchHandlers(controller)));
  addHealth(server);
  addReflection(server, SERVICES);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(formatHostPort(listen), ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else
        reject(
          new ListenError(`cannot listen on ${formatHostPort(listen)}: ${error.message}`, { cause: error }),
        );
    });
  });
  return { address: formatHostPort({ ...listen, port }), close: () => server.forceShutdown() };
}
