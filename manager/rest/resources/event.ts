/** Events, as the API shows them: whole events of Kubernetes. Pure. */
import type { RecordedEvent } from "../../events/events.js";
import type { Item } from "../http/envelope.js";

const NAMESPACE = "longhorn-system";
const API_VERSION = "longhorn.io/v1beta2";

export function eventToResource(event: RecordedEvent): Item<"event"> {
  const { name, uid, type, reason, message, source, count, firstTimestamp, lastTimestamp, object } = event;
  return {
    type: "event",
    id: name,
    actions: [],
    body: {
      eventType: type,
      event: {
        metadata: { name, namespace: NAMESPACE, uid, creationTimestamp: firstTimestamp },
        involvedObject: { ...object, namespace: NAMESPACE, apiVersion: API_VERSION },
        reason,
        message,
        source: { component: source },
        firstTimestamp,
        lastTimestamp,
        count,
        type,
        eventTime: null,
        reportingComponent: source,
        reportingInstance: "",
      },
    },
  };
}
