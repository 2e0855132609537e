/** Where a gRPC server listens. */
import { ServerCredentials, type Server } from "@grpc/grpc-js";
import { ReplicaError } from "./replica-error.js";

/** @param port 0: any free one
 * @returns the port
 * @throws {ReplicaError} when the address cannot be bound */
export function bindServer(server: Server, host: string, port: number): Promise<number> {
  const address = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
  return new Promise((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else
        reject(
          new ReplicaError("IO_ERROR", `cannot listen on ${address}: ${error.message}`, { cause: error }),
        );
    });
  });
}
