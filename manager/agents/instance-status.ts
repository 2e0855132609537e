/** How an engine, a replica or a witness is, of what its node's agent tells. Pure. */
import type { InstanceResponse } from "../../proto/instance-manager.js";
import type { Resource } from "../objects/resource.js";
import { instanceManagerName } from "./instance-manager.js";

type Instance = Resource<"Engine" | "Replica" | "Witness">;

/** What all kinds have in common. */
export type InstanceFacts = Pick<
  Instance["status"],
  | "currentImage"
  | "currentState"
  | "instanceManagerName"
  | "ip"
  | "ownerID"
  | "port"
  | "started"
  | "starting"
  | "storageIP"
  | "uuid"
>;

const STOPPED = { ip: "", storageIP: "", port: 0, started: false, starting: false, uuid: "" };

/** @param instance null: the agent has none
 * @param host of the node */
export function instanceFacts(
  { spec }: Instance,
  instance: InstanceResponse | null,
  host: string,
): InstanceFacts {
  const own = { ownerID: spec.nodeID, instanceManagerName: instanceManagerName(spec.nodeID) };
  if (instance?.status == null)
    return { ...own, ...STOPPED, currentImage: "", currentState: "stopped", instanceManagerName: "" };
  const { state, portStart, uuid } = instance.status;
  return {
    ...own,
    ...{ currentImage: spec.image, ip: host, storageIP: host, port: portStart, uuid },
    // It is over when its agent has none of that name any more: until then its ports are its own.
    currentState: state === "stopped" ? "stopping" : state,
    started: state === "running",
    starting: state === "starting",
  };
}

/** It is not known how it is: its node is beyond reach. */
export function unknownFacts({ status }: Instance): Pick<InstanceFacts, "currentState"> {
  const { currentState } = status;
  return { currentState: ["", "stopped"].includes(currentState) ? currentState : "unknown" };
}
