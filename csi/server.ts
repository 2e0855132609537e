/** Serves the driver on its endpoint, and logs each call: never with what is secret. */
import { Server, ServerCredentials } from "@grpc/grpc-js";
import type { Logger } from "pino";
import { Controller, Identity, Node } from "../proto/csi.js";
import { unaryHandlers, type Handlers, type Service } from "../proto/unary.js";
import { controllerHandlers } from "./controller.js";
import type { Driver } from "./driver.js";
import { bindAddress, removeStaleSocket, type Endpoint } from "./endpoint.js";
import { rpcErrorOf } from "./errors.js";
import { identityHandlers } from "./identity.js";
import { nodeHandlers } from "./node.js";

export interface DriverServer {
  /** Ends when the calls under way have been answered. */
  close(): Promise<void>;
}

/** @throws {Error} the endpoint cannot be listened on */
export async function serveDriver(driver: Driver, endpoint: Endpoint): Promise<DriverServer> {
  const server = new Server();
  const add = <S extends Service>(service: S, handlers: Handlers<S>) =>
    server.addService(service, unaryHandlers(service, logged(handlers, driver.log)));
  add(Identity, identityHandlers(driver));
  add(Controller, controllerHandlers(driver));
  add(Node, nodeHandlers(driver));
  await removeStaleSocket(endpoint);
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(bindAddress(endpoint), ServerCredentials.createInsecure(), (error) =>
      error === null ? resolve() : reject(error),
    );
  });
  return { close: () => new Promise((resolve) => server.tryShutdown(() => resolve())) };
}

function logged<S extends Service>(handlers: Handlers<S>, log: Logger): Handlers<S> {
  const wrapped = Object.entries(handlers).map(([name, handler]) => {
    const call = handler as (request: object) => Promise<unknown>;
    return [
      name,
      async (request: { secrets?: Record<string, string> }) => {
        const began = Date.now();
        const shown = request.secrets === undefined ? request : { ...request, secrets: Object.keys(request.secrets) }; // prettier-ignore
        const level = name === "probe" ? "debug" : "info";
        try {
          const reply = await call(request);
          log[level]({ call: name, request: shown, reply, ms: Date.now() - began }, "call answered");
          return reply;
        } catch (err) {
          const error = rpcErrorOf(err);
          log.warn({ call: name, request: shown, code: error.code, err: error, ms: Date.now() - began }, "call failed"); // prettier-ignore
          throw error;
        }
      },
    ];
  });
  return Object.fromEntries(wrapped) as Handlers<S>;
}
