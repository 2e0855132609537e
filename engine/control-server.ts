/** Serves EngineControl: what the engine is and does. */
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { EngineControl, type EngineStatus } from "../proto/control.js";
import { unaryHandlers } from "../proto/unary.js";
import { ListenError } from "./engine.js";
import { formatHostPort, type HostPort } from "./host-port.js";

export interface ControlServer {
  /** a port 0 is replaced by the one that was free */
  address: string;
  close: () => void;
}

/** @throws {ListenError} */
export async function serveControl(at: HostPort, status: () => EngineStatus): Promise<ControlServer> {
  const server = new Server();
  server.addService(
    EngineControl,
    unaryHandlers(EngineControl, {
      // Awaited by the adapter.
      // eslint-disable-next-line @typescript-eslint/require-await
      status: async () => status(),
    }),
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(formatHostPort(at), ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else
        reject(new ListenError(`cannot listen on ${formatHostPort(at)}: ${error.message}`, { cause: error }));
    });
  });
  return { address: formatHostPort({ ...at, port }), close: () => server.forceShutdown() };
}
