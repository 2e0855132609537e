/** How an engine, a replica or a witness is, of what its node's agent tells. Pure. */
import type { InstanceResponse } from "../../proto/instance-manager.js";
import { noted } from "../objects/conditions.js";
import type { Condition } from "../objects/fields.js";
import type { Resource } from "../objects/resource.js";
import type { Presence } from "./instance-keeper.js";
import { instanceManagerName } from "./instance-manager.js";

type Instance = Resource<"Engine" | "Replica" | "Witness">;

/** What all kinds have in common. */
export type InstanceFacts = Pick<
  Instance["status"],
  | "conditions"
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

const INSTANCE_CREATION = "InstanceCreation";

const STOPPED = { ip: "", storageIP: "", port: 0, started: false, starting: false, uuid: "" };

/** @param instance null: the agent has none
 * @param refusal why the agent has not started it; null: it was not asked to
 * @param host of the node
 * @param now RFC 3339 */
function instanceFacts(
  { spec, status: before }: Instance,
  instance: InstanceResponse | null,
  refusal: string | null,
  host: string,
  now: string,
): InstanceFacts {
  const conditions = conditionsOf(before, instance, refusal, now);
  const own = { conditions, ownerID: spec.nodeID, instanceManagerName: instanceManagerName(spec.nodeID) };
  if (instance?.status == null) {
    const currentState = refusal === null ? "stopped" : "error";
    return { ...own, ...STOPPED, currentImage: "", currentState, instanceManagerName: "" };
  }
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

/** @param presence what is known of its process
 * @param now RFC 3339 */
export function factsOf(
  object: Instance,
  presence: Exclude<Presence, { is: "waiting" }>,
  now: string,
): Partial<InstanceFacts> {
  switch (presence.is) {
    case "down":
      return unknownFacts(object);
    case "nowhere":
      return instanceFacts(object, null, null, "", now);
    case "reached":
      return instanceFacts(object, presence.instance, presence.refusal, presence.agent.address.host, now);
  }
}

/** Why the last one failed is told until one runs. */
function conditionsOf(
  { conditions }: Instance["status"],
  instance: InstanceResponse | null,
  refusal: string | null,
  now: string,
): Condition[] {
  const { state, errorMsg } = instance?.status ?? { state: "", errorMsg: "" };
  const failure = state === "error" ? errorMsg : refusal;
  if (state !== "running" && failure === null) return conditions;
  const condition =
    failure === null
      ? { type: INSTANCE_CREATION, status: "True", reason: "", message: "" }
      : { type: INSTANCE_CREATION, status: "False", reason: "InstanceCreationFailure", message: failure };
  return noted(condition, conditions, now);
}

/** @returns why it could not be started the last time; "": nobody knows */
export function creationFailure({ conditions }: Instance["status"]): string {
  return conditions.find((one) => one.type === INSTANCE_CREATION && one.status === "False")?.message ?? "";
}

/** @param before as it was seen last
 * @returns why it could not be started, where that is new; null otherwise */
export function newFailure({ status: before }: Instance, instance: InstanceResponse | null): string | null {
  if (instance?.status?.state !== "error") return null;
  const { uuid, errorMsg } = instance.status;
  return before.uuid !== uuid || before.currentState === "starting" ? errorMsg : null;
}

/** It is not known how it is: its node is beyond reach. */
function unknownFacts({ status }: Instance): Pick<InstanceFacts, "currentState"> {
  const { currentState } = status;
  return { currentState: ["", "stopped"].includes(currentState) ? currentState : "unknown" };
}
