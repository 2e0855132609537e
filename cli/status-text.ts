/** A volume's status as text for people. Pure. */
import { formatBytes } from "../manager/objects/bytes.js";
import type { Counters, EngineStatus, ReplicaStatus, WitnessStatus } from "../proto/control.js";

/** @param before the same engine's status `intervalMs` ago, for rates; null: none */
export function statusText(status: EngineStatus, before: EngineStatus | null, intervalMs: number): string {
  const reason = status.reason === "" ? "" : ` (${status.reason})`;
  const lines = [
    `volume ${status.volume}  ${formatBytes(status.size)}  ${status.state}${reason}  generation ${status.generation}`,
    ...status.portals.map((portal) => `  iscsi://${portal}/${status.target}/${status.lun}`),
    ...status.replicas.map(replicaLine),
    ...(status.witness === null ? [] : [witnessLine(status.witness)]),
    ...status.sessions.map(
      ({ initiator, address, commands }) => `  session  ${initiator}  ${address}  ${commands} commands`,
    ),
  ];
  if (status.counters !== null)
    lines.push(...counterLines(status.counters, rateBasis(status, before), intervalMs));
  return `${lines.join("\n")}\n`;
}

function replicaLine({
  address,
  replicaId,
  mode,
  cause,
  reconciledBytes,
  reconcileTotalBytes,
}: ReplicaStatus): string {
  const progress =
    reconcileTotalBytes > 0
      ? `  compared ${formatBytes(reconciledBytes)} of ${formatBytes(reconcileTotalBytes)}`
      : "";
  return `  replica  ${address}  ${replicaId}  ${mode}${progress}${cause === "" ? "" : `  ${cause}`}`;
}

function witnessLine({ address, replicaId, member, cause }: WitnessStatus): string {
  return `  witness  ${address}  ${replicaId}  ${member ? "counts" : `does not count  ${cause}`}`;
}

/** Counters start anew with each engine. */
function rateBasis(status: EngineStatus, before: EngineStatus | null): Counters | null {
  return before?.engineId === status.engineId ? before.counters : null;
}

function counterLines(now: Counters, before: Counters | null, intervalMs: number): string[] {
  if (before === null) {
    return [
      `  reads ${now.reads} (${formatBytes(now.readBytes)})  writes ${now.writes} (${formatBytes(now.writtenBytes)})  ` +
        `flushes ${now.flushes}  unmaps ${now.unmaps}  failed ${now.failed}`,
    ];
  }
  const rate = (key: keyof Counters) => Math.round(((now[key] - before[key]) * 1_000) / intervalMs);
  return [
    `  read  ${rate("reads")} IOPS  ${formatBytes(rate("readBytes"))}/s    write  ${rate("writes")} IOPS  ` +
      `${formatBytes(rate("writtenBytes"))}/s    flush  ${rate("flushes")}/s    in flight ${now.inFlight}  failed ${now.failed}`,
  ];
}
