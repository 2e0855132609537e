/** Longhorn's DiskService: disks of its v2 engine, of which there are none. Ours are looked after by NodeAgent. */
import { status } from "@grpc/grpc-js";
import type { DiskService } from "../../proto/instance-manager.js";
import { RpcError, type Handlers } from "../../proto/unary.js";
import { diskVersionResponse } from "./versions.js";

export function diskHandlers(version: string): Handlers<typeof DiskService> {
  const refuse = (request: { diskName: string; diskUuid?: string }) =>
    Promise.resolve().then(() => {
      if (request.diskName === "" || request.diskUuid === "")
        throw new RpcError(status.INVALID_ARGUMENT, "disk name and disk UUID are required");
      throw new RpcError(status.UNIMPLEMENTED, "block disks are not supported");
    });
  return {
    diskCreate: refuse,
    diskDelete: refuse,
    diskGet: refuse,
    diskReplicaInstanceList: refuse,
    diskReplicaInstanceDelete: refuse,
    metricsGet: refuse,
    versionGet: () => Promise.resolve(diskVersionResponse(version)),
  };
}
