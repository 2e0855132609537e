/** Calls to engines by way of their nodes' agents. */
import { status } from "@grpc/grpc-js";
import { formatHostPort } from "../../engine/host-port.js";
import { DataEngine, type ProxyEngineRequest } from "../../proto/instance-manager.js";
import { errorText, RpcError } from "../../proto/rpc-error.js";
import type { Resource } from "../objects/resource.js";
import { OperationError } from "../operations.js";
import type { AgentCalls } from "./agent.js";
import type { Agents } from "./agents.js";

export type Proxy = AgentCalls["proxy"];
type NodeCalls = AgentCalls["node"];

export class EngineCaller {
  constructor(private readonly agents: Agents) {}

  /** @throws {OperationError} */
  call<T>(
    engine: Resource<"Engine">,
    use: (proxy: Proxy, request: ProxyEngineRequest) => Promise<T>,
  ): Promise<T> {
    const { spec, metadata } = engine;
    const { volumeName } = spec;
    const request = {
      address: engineAddress(engine),
      ...{ engineName: metadata.name, volumeName, dataEngine: DataEngine.DATA_ENGINE_V1 },
      backendStoreDriver: 0,
    };
    return this.#at(engine, ({ proxy }) => use(proxy, request));
  }

  /** What Longhorn's proxy has no call for.
   * @throws {OperationError} */
  callNode<T>(engine: Resource<"Engine">, use: (node: NodeCalls) => Promise<T>): Promise<T> {
    return this.#at(engine, ({ node }) => use(node));
  }

  async #at<T>({ spec, status: is }: Resource<"Engine">, use: (calls: AgentCalls) => Promise<T>): Promise<T> {
    if (is.currentState !== "running" || is.port === 0)
      throw new OperationError("REFUSED", `the engine of volume ${spec.volumeName} does not run`);
    const calls = this.agents.get(spec.nodeID)?.calls ?? null;
    if (calls === null) throw new OperationError("UNREACHABLE", `node ${spec.nodeID} cannot be reached`);
    try {
      return await use(calls);
    } catch (error) {
      throw operationError(error);
    }
  }
}

export function engineAddress({ status: { ip, port } }: Resource<"Engine">): string {
  return formatHostPort({ host: ip, port });
}

const CODES: Partial<Record<status, OperationError["code"]>> = {
  [status.NOT_FOUND]: "MISSING",
  [status.UNAVAILABLE]: "UNREACHABLE",
  [status.DEADLINE_EXCEEDED]: "UNREACHABLE",
  [status.FAILED_PRECONDITION]: "REFUSED",
  [status.INVALID_ARGUMENT]: "REFUSED",
  [status.ALREADY_EXISTS]: "REFUSED",
};

/** What engines and replicas say as Longhorn's do, without a code of its own: engine.md sections 7.6, 7.7, 8.1 and 8.2. */
const SAID: readonly [RegExp, OperationError["code"]][] = [
  [/snapshot \S+ is already existing/, "REFUSED"],
  [/target snapshot \S+ is not found/, "MISSING"],
  [/snapshot count usage \d+ is equal or larger than|snapshot count total is already too big/, "REFUSED"],
  [/snapshot free space \d+ is not enough/, "REFUSED"],
  [/filesystem is already being frozen/, "REFUSED"],
  [/cannot (remove a snapshot|purge snapshots) because \S+ is (rebuilding|already purging)/, "REFUSED"],
  [/can only mark snapshot as removed from replica in mode RW/, "REFUSED"],
  [/not valid state to revert|cannot revert to removed snapshot|aborting snapshot revert/, "REFUSED"],
  [/cannot revert while replica \S+ is purging snapshots/, "REFUSED"],
];

export function operationError(error: unknown): OperationError {
  const text = errorText(error);
  const said = SAID.find(([pattern]) => pattern.test(text))?.[1];
  const code = error instanceof RpcError ? (CODES[error.code] ?? said ?? "FAILED") : "FAILED";
  return new OperationError(code, text, { cause: error });
}
