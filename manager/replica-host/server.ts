/** The replica host's Unix socket. */
import { rmSync } from "node:fs";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { addHealth } from "../../proto/health.js";
import { ReplicaHost as Service, ReplicaHostStreams } from "../../proto/instance-manager.js";
import { streamHandlers, untilGone } from "../../proto/server-stream.js";
import { unaryHandlers } from "../../proto/unary.js";
import type { ReplicaHost } from "./host.js";

/** @param socket its path; what is left there of an earlier host goes
 * @returns what closes it
 * @throws {Error} when it cannot be served */
export async function serveReplicaHost(host: ReplicaHost, socket: string): Promise<() => void> {
  const server = new Server();
  server.addService(
    Service,
    unaryHandlers(Service, {
      host: (request) => host.host(request),
      unhost: async ({ name }) => {
        await host.unhost(name);
        return {};
      },
      list: () => Promise.resolve({ replicas: host.list() }),
    }),
  );
  server.addService(
    ReplicaHostStreams,
    streamHandlers(ReplicaHostStreams, {
      watch: async (_request, { send, signal }) => {
        for (const replica of host.list()) send({ replica, gone: false });
        const end = host.watch((replica, gone) => send({ replica, gone }));
        await untilGone(signal);
        end();
      },
    }),
  );
  addHealth(server);
  // One agent starts hosts, and only when the one before has ended.
  rmSync(socket, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) =>
      error === null ? resolve() : reject(new Error(`cannot listen on ${socket}: ${error.message}`)),
    );
  });
  return () => server.forceShutdown();
}
