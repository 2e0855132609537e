/** The sync agent's port. */
import { Server, ServerCredentials } from "@grpc/grpc-js";
import type { Logger } from "pino";
import { SyncAgentService } from "../../proto/longhorn.js";
import { addReflection } from "../../proto/reflection.js";
import { SyncPace } from "../../proto/sync-pace.js";
import { unaryHandlers } from "../../proto/unary.js";
import { SyncAgent, type SyncAgentOptions } from "./service.js";

export interface SyncAgentServer {
  port: number;
  /** Ends at once: calls under way are cut off, and what is being received stays incomplete. Idempotent. */
  stop(): Promise<void>;
}

/** @param port 0: any free one
 * @throws {Error} when the address cannot be bound */
export async function serveSyncAgent(
  options: SyncAgentOptions,
  host: string,
  port: number,
  log: Logger,
): Promise<SyncAgentServer> {
  const agent = new SyncAgent(options, log);
  const server = new Server();
  const { volumeName, instanceName } = options;
  const identity = { role: "replica", volumeName, instanceName } as const;
  server.addService(SyncAgentService, unaryHandlers(SyncAgentService, agent, identity, agent.admit));
  server.addService(SyncPace, unaryHandlers(SyncPace, agent.pace, identity, agent.admit));
  addReflection(server, ["ptypes.SyncAgentService"]);
  const address = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error, boundPort) => {
      if (error === null) resolve(boundPort);
      else reject(new Error(`cannot listen on ${address}: ${error.message}`, { cause: error }));
    });
  });
  let stopped: Promise<void> | null = null;
  const stop = () => {
    server.forceShutdown();
    return (stopped ??= agent.stop());
  };
  return { port: bound, stop };
}
