/** The engine as EngineControl.Status tells it. */
import type { EngineStatus, ReplicaStatus } from "../proto/control.js";
import type { SlotStats } from "../native/index.js";
import type { Engine } from "./engine.js";
import type { ReplicaView } from "./replica-set.js";
import { LUN } from "./volume-target.js";
import type { ReplicaState } from "./replica-state.js";

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
    witness: engine.witness(),
  };
}

function replicaStatus(view: ReplicaView, stats: SlotStats | undefined): ReplicaStatus {
  const { state, lastResync } = view;
  const [done, total] = progressOf(state);
  return {
    address: view.address,
    replicaId: view.replicaId,
    mode: MODES[state.mode],
    cause: state.mode === "ERR" ? state.cause : state.mode === "AWAY" ? state.reason : "",
    inFlight: stats?.inFlight ?? 0,
    crcErrors: stats?.crcErrors ?? 0,
    directory: view.directory,
    reconciledBytes: done,
    reconcileTotalBytes: total,
    resync: lastResync?.method ?? "",
    movedBytes: lastResync?.movedBytes ?? 0,
  };
}

/** As Longhorn names them: what is resynced is written and not read. */
const MODES: Record<ReplicaState["mode"], string> = {
  CONNECTING: "CONNECTING",
  AWAY: "CONNECTING",
  WO: "WO",
  RESYNC: "WO",
  RW: "RW",
  ERR: "ERR",
};

/** @returns bytes done and bytes in all; 0 and 0 when nothing is made equal */
function progressOf(state: ReplicaState): [number, number] {
  if (state.mode === "RESYNC") return [state.progress.comparedBytes, state.progress.totalBytes];
  const copying = state.mode === "AWAY" ? state.was : state;
  return copying.mode === "WO" ? [copying.reconciledBytes, copying.totalBytes] : [0, 0];
}
