/** The agent's four ports, in Longhorn's order. Clients may ping as often as they like: grpc-js counts no strikes. */
import {
  Server,
  ServerCredentials,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { formatHostPort, type HostPort } from "../../engine/host-port.js";
import { addHealth } from "../../proto/health.js";
import { addReflection } from "../../proto/reflection.js";

/** What one port serves, beside health and reflection. */
export interface PortServices {
  /** full names */
  names: readonly string[];
  services: readonly [ServiceDefinition, UntypedServiceImplementation][];
}

export interface AgentPorts<T> {
  processManager: T;
  proxy: T;
  disk: T;
  instance: T;
}

/** Above the base port. */
const OFFSETS: AgentPorts<number> = { processManager: 0, proxy: 1, disk: 2, instance: 3 };

export interface AgentServer {
  ports: AgentPorts<number>;
  /** Ends at once: calls under way are cut off. */
  close(): void;
}

/** @param listen of the first one; port 0: each gets one that is free
 * @throws {Error} an address cannot be bound, and then none is */
export async function serveAgent(services: AgentPorts<PortServices>, listen: HostPort): Promise<AgentServer> {
  const servers: Server[] = [];
  const close = () => {
    for (const server of servers) server.forceShutdown();
  };
  const serve = async (key: keyof AgentPorts<unknown>): Promise<number> => {
    const server = new Server();
    servers.push(server);
    for (const [definition, implementation] of services[key].services)
      server.addService(definition, implementation);
    addHealth(server);
    addReflection(server, [...services[key].names, "grpc.health.v1.Health"]);
    const port = listen.port === 0 ? 0 : listen.port + OFFSETS[key];
    return bind(server, formatHostPort({ ...listen, port }));
  };
  try {
    const ports = {
      processManager: await serve("processManager"),
      proxy: await serve("proxy"),
      disk: await serve("disk"),
      instance: await serve("instance"),
    };
    return { ports, close };
  } catch (error) {
    close();
    throw error;
  }
}

function bind(server: Server, address: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error, port) =>
      error === null
        ? resolve(port)
        : reject(new Error(`cannot listen on ${address}: ${error.message}`, { cause: error })),
    );
  });
}
