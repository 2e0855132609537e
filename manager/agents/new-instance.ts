/** What an agent is asked to start. Pure. */
import { DataEngine, type InstanceResponse, type InstanceSpec } from "../../proto/instance-manager.js";
import type { Metadata } from "../objects/resource.js";

/** Names of engines come again when a volume is made anew: its object's UID follows this one of their arguments. */
export const OBJECT_UID_FLAG = "--object-uid";

/** It is another object's of the same name: of a volume that was deleted while its node was away. Of one that does not say whose it is there is
 * no doubt. */
export function isAnothers({ uid }: Metadata, { spec }: InstanceResponse): boolean {
  const args = spec?.processInstanceSpec?.args ?? [];
  const at = args.indexOf(OBJECT_UID_FLAG);
  return at >= 0 && args[at + 1] !== uid;
}

export interface ProcessSpec {
  type: "engine" | "replica";
  volumeName: string;
  binary: string;
  args: string[];
  portCount: number;
  /** FLAG,PREFIX each: the flag and the prefix with one of the ports are added to the arguments */
  portArgs: string[];
}

export function newInstance(
  name: string,
  { type, volumeName, binary, args, portCount, portArgs }: ProcessSpec,
): InstanceSpec {
  return {
    ...{ name, type, volumeName, portCount, portArgs, dataEngine: DataEngine.DATA_ENGINE_V1 },
    processInstanceSpec: { binary, args },
    ...{ backendStoreDriver: 0, spdkInstanceSpec: null, upgradeRequired: false },
    ...{ initiatorAddress: "", targetAddress: "" },
  };
}

/** A host as it stands before ":PORT". */
export function listenHost(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}
