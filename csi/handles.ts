/** Where a volume's content comes from, and what a snapshot's id tells. Pure. */
import { status } from "@grpc/grpc-js";
import { RpcError } from "../proto/rpc-error.js";

export type SnapshotHandle =
  | { type: "snap"; volume: string; snapshot: string }
  /** of a backup, or a backing image */
  | { type: "bak" | "bi" };

export function formatSnapshotHandle(volume: string, snapshot: string): string {
  return `snap://${volume}/${snapshot}`;
}

/** @returns null: no snapshot of ours has such an id */
export function parseSnapshotHandle(id: string): SnapshotHandle | null {
  const [, volume, snapshot] = /^snap:\/\/([^/]+)\/([^/]+)$/.exec(id) ?? [];
  if (volume !== undefined && snapshot !== undefined) return { type: "snap", volume, snapshot };
  if (/^(?:bak|bs):\/\/[^/]+\/[^/]+$/.test(id)) return { type: "bak" };
  return id.startsWith("bi://backing?") ? { type: "bi" } : null;
}

/** Kinds of snapshots that a VolumeSnapshotClass can ask for. */
export function snapshotTypeOf(parameters: Record<string, string>): "snap" | "bak" | "bi" | null {
  switch (parameters["type"] ?? "") {
    case "snap":
      return "snap";
    case "":
    case "bak":
    case "bs":
      return "bak";
    case "bi":
      return "bi";
    default:
      return null;
  }
}

/** @param what needs them */
export function notYet(type: "bak" | "bi", what: string): RpcError {
  const things = type === "bak" ? "backups" : "backing images";
  return new RpcError(
    status.UNIMPLEMENTED,
    `${what}: ${things} are not available yet; a VolumeSnapshotClass with the parameter type: snap makes snapshots inside the cluster`,
  );
}
