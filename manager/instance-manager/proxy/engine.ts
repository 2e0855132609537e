/** The engine that a request to the proxy is about. Each call has a connection of its own, as in Longhorn. */
import { VolumeClient } from "../../../engine/client/volume.js";
import { status } from "@grpc/grpc-js";
import type { ProxyEngineRequest } from "../../../proto/instance-manager.js";
import { RpcError } from "../../../proto/rpc-error.js";
import { checkEngine } from "../instance-service.js";

/** @throws {RpcError} INVALID_ARGUMENT or UNIMPLEMENTED: no engine of ours is named; what `use` throws */
export async function withEngine<T>(
  request: ProxyEngineRequest | null,
  use: (volume: VolumeClient) => Promise<T>,
): Promise<T> {
  if (request === null) throw new RpcError(status.INVALID_ARGUMENT, "no engine is named");
  const { address, engineName, volumeName, dataEngine } = request;
  checkEngine(dataEngine);
  if (address === "") throw new RpcError(status.INVALID_ARGUMENT, "the engine's address is required");
  const volume = new VolumeClient(address, { volumeName, engineInstanceName: engineName });
  try {
    return await use(volume);
  } finally {
    volume.close();
  }
}

/** An answer without content. */
export const done = () => ({});
