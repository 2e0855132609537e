/** The condition that says whether all replicas have a place, and if not, why. */
import type { Failure, Refusal } from "../schedule/place.js";
import { noted } from "../objects/conditions.js";
import type { Draft } from "./draft.js";

export interface Unplaced {
  failures: Failure[];
  refusals: Refusal[];
  /** only the copy on the node that uses the volume has none */
  local: boolean;
}

export function noteScheduled(draft: Draft, unplaced: Unplaced | null): void {
  const { volume, settings } = draft;
  const { status } = volume;
  const placed = draft.replicas.length + draft.created.filter(({ kind }) => kind === "Replica").length;
  const suffices =
    placed > 0 &&
    status.state !== "attached" &&
    settings.flag("allow-volume-creation-with-degraded-availability");
  const isScheduled = unplaced === null || unplaced.local || suffices;
  const condition = {
    type: "Scheduled",
    status: isScheduled ? "True" : "False",
    reason:
      unplaced === null ? "" : unplaced.local ? "LocalReplicaSchedulingFailure" : "ReplicaSchedulingFailure",
    message: unplaced === null ? "" : explainRefusals(unplaced),
  };
  status.conditions = noted(condition, status.conditions, draft.now);
}

/** Longhorn's words first, since clients look for them; then each node and disk with its reason. */
export function explainRefusals({ failures, refusals }: Pick<Unplaced, "failures" | "refusals">): string {
  const each = refusals.map(({ node, disk, why }) => `${disk === "" ? node : `${node}/${disk}`}: ${why}`);
  return [failures.join("; "), ...each].join("\n");
}
