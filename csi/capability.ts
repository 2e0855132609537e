/** How a volume is to be used, from a VolumeCapability. Pure. */
import { AccessModeType, type VolumeCapability } from "../proto/csi.js";
import { invalid } from "./errors.js";

export type Access = BlockAccess | MountAccess;

export interface BlockAccess {
  type: "block";
  /** several nodes at a time */
  isShared: boolean;
}

export interface MountAccess {
  type: "mount";
  isShared: boolean;
  /** "ext4" where none was asked for */
  fileSystem: string;
  flags: readonly string[];
}

const FILE_SYSTEM_DEFAULT = "ext4";

/** @throws {RpcError} INVALID_ARGUMENT: it is missing, or nothing that the driver can do */
export function accessOf(capability: VolumeCapability | null): Access {
  if (capability === null) throw invalid("the volume capability is missing");
  const { block, mount, accessMode } = capability;
  const mode = accessMode?.mode ?? AccessModeType.UNKNOWN_ACCESS_MODE;
  if (mode !== AccessModeType.SINGLE_NODE_WRITER && mode !== AccessModeType.MULTI_NODE_MULTI_WRITER)
    throw invalid(
      `access mode ${modeName(mode)} is not supported, only SINGLE_NODE_WRITER and MULTI_NODE_MULTI_WRITER are`,
    );
  const isShared = mode === AccessModeType.MULTI_NODE_MULTI_WRITER;
  if ((block === null) === (mount === null))
    throw invalid("a volume capability has to ask for either block or mount access");
  if (mount === null) return { type: "block", isShared };
  const fileSystem = mount.fsType === "" ? FILE_SYSTEM_DEFAULT : mount.fsType;
  if (!/^[a-z0-9]{1,16}$/.test(fileSystem)) throw invalid(`"${fileSystem}" is no type of file systems`);
  return { type: "mount", isShared, fileSystem, flags: mount.mountFlags };
}

/** @throws {RpcError} INVALID_ARGUMENT */
export function accessesOf(capabilities: readonly VolumeCapability[]): Access[] {
  if (capabilities.length === 0) throw invalid("volume capabilities are missing");
  return capabilities.map(accessOf);
}

function modeName(mode: number): string {
  return Object.entries(AccessModeType).find(([, number]) => number === mode)?.[0] ?? String(mode);
}
