/**
 * What the engine is to the outside.
 *
 *   starting --served--> serving | degraded <--served/waited--> waiting       any --stopped--> stopping
 *   all but fenced and stopping --writesLost--> lost-writes                   all but stopping --fenced--> fenced
 */
export type EngineState =
  | { name: "starting" }
  /** every configured replica is read and written */
  | { name: "serving" }
  /** I/O is served, by fewer copies than configured */
  | { name: "degraded"; reason: string }
  /** I/O is held until a replica comes back */
  | { name: "waiting"; reason: string }
  /** I/O is answered with errors: acknowledged writes may be gone */
  | { name: "lost-writes"; reason: string }
  /** another engine owns the replicas */
  | { name: "fenced"; reason: string }
  | { name: "stopping" };

export type EngineEvent =
  /** `shortOf`: why it is fewer than configured; null when it is not */
  | { type: "served"; shortOf: string | null }
  | { type: "waited"; reason: string }
  | { type: "writesLost"; reason: string }
  | { type: "fenced"; reason: string }
  | { type: "stopped" };

/** Pure. An event that comes too late (the engine stops, is fenced, has lost writes) changes nothing. */
export function nextEngineState(state: EngineState, event: EngineEvent): EngineState {
  switch (state.name) {
    case "stopping":
      return state;
    case "fenced":
      return event.type === "stopped" ? { name: "stopping" } : state;
    case "lost-writes":
      if (event.type === "served" || event.type === "waited" || event.type === "writesLost") return state;
      break;
    case "starting":
    case "serving":
    case "degraded":
    case "waiting":
      break;
    default:
      state satisfies never;
  }
  switch (event.type) {
    case "served":
      return event.shortOf === null ? { name: "serving" } : { name: "degraded", reason: event.shortOf };
    case "waited":
      return { name: "waiting", reason: event.reason };
    case "writesLost":
      return { name: "lost-writes", reason: event.reason };
    case "fenced":
      return { name: "fenced", reason: event.reason };
    case "stopped":
      return { name: "stopping" };
  }
}
