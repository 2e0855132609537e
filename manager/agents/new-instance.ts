/** What an agent is asked to start. Pure. */
import { DataEngine, type InstanceSpec } from "../../proto/instance-manager.js";

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
