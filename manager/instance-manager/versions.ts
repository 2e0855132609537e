/** Which versions of Longhorn's instance manager interfaces are spoken here: those of instance manager 1.10. */
import type { DiskVersionResponse, VersionResponse } from "../../proto/instance-manager.js";

/** @param version our own */
export function versionResponse(version: string): VersionResponse {
  return {
    ...{ version, gitCommit: "", buildDate: "" },
    instanceManagerAPIVersion: 6,
    instanceManagerAPIMinVersion: 1,
    instanceManagerProxyAPIVersion: 5,
    instanceManagerProxyAPIMinVersion: 1,
  };
}

/** @param version our own */
export function diskVersionResponse(version: string): DiskVersionResponse {
  return {
    ...{ version, gitCommit: "", buildDate: "" },
    instanceManagerDiskServiceAPIVersion: 1,
    instanceManagerDiskServiceAPIMinVersion: 1,
  };
}
