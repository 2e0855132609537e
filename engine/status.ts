/** The engine as EngineControl.Status tells it. */
import type { EngineStatus, ReplicaStatus } from "../proto/control.js";
import type { SlotStats } from "../native/index.js";
import type { Engine } from "./engine.js";
import type { ReplicaView } from "./replica-set.js";
import { LUN } from "./volume-target.js";

export function statusOf(engine: Engine): EngineStatus {
  const stats = engine.stats();
  const { state, options } = engine;
  return {
    volume: options.volume,
    size: options.size,
    state: state.name,
    reason: "reason" in state ? state.reason : "",
    generation: engine.generation,
    engineId: engine.id,
    target: engine.iqn,
    lun: LUN,
    portals: engine.portals,
    replicas: engine
      .replicas()
      .map((view) => replicaStatus(view, view.slot === null ? undefined : stats?.slots[view.slot])),
    sessions: engine.sessions().map(({ initiatorName, remote, commands }) => ({
      initiator: initiatorName,
      address: remote,
      commands,
    })),
    counters: stats,
  };
}

function replicaStatus(view: ReplicaView, stats: SlotStats | undefined): ReplicaStatus {
  const { state } = view;
  const copying = state.mode === "AWAY" ? state.was : state;
  return {
    address: view.address,
    replicaId: view.replicaId,
    mode: state.mode === "AWAY" ? "CONNECTING" : state.mode,
    cause: state.mode === "ERR" ? state.cause : state.mode === "AWAY" ? state.reason : "",
    inFlight: stats?.inFlight ?? 0,
    crcErrors: stats?.crcErrors ?? 0,
    directory: view.directory,
    reconciledBytes: copying.mode === "WO" ? copying.reconciledBytes : 0,
    reconcileTotalBytes: copying.mode === "WO" ? copying.totalBytes : 0,
  };
}
