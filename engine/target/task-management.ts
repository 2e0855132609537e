/** Task management, RFC 7143 §11.5, §11.6: which function does what to whom, and what is answered. */
import type { TaskFilter } from "../../native/index.js";
import { decodeTaskManagementRequest, RESERVED_TAG } from "./bhs.js";

export const TASK_FUNCTION = {
  ABORT_TASK: 1,
  ABORT_TASK_SET: 2,
  CLEAR_ACA: 3,
  CLEAR_TASK_SET: 4,
  LOGICAL_UNIT_RESET: 5,
  TARGET_WARM_RESET: 6,
  TARGET_COLD_RESET: 7,
  TASK_REASSIGN: 8,
} as const;

export const TASK_RESPONSE = {
  COMPLETE: 0,
  TASK_DOES_NOT_EXIST: 1,
  LUN_DOES_NOT_EXIST: 2,
  REASSIGN_NOT_SUPPORTED: 4,
  FUNCTION_NOT_SUPPORTED: 5,
  REJECTED: 255,
} as const;

/** What is to be done, in this order: abort, tell the logical unit, answer. */
export type TaskManagementPlan =
  | { type: "answer"; response: number }
  | { type: "abortTask"; filter: TaskFilter }
  | { type: "abortTaskSet"; filter: TaskFilter }
  /** every nexus' tasks; other nexuses whose tasks were cleared learn of it by a unit attention */
  | { type: "clearTaskSet" }
  | { type: "reset"; scope: "logicalUnit" | "warm" | "cold" };

export function planTaskManagement(bhs: Buffer, nexus: number, diskLun: number): TaskManagementPlan {
  const request = decodeTaskManagementRequest(bhs);
  const isTargetReset =
    request.function === TASK_FUNCTION.TARGET_WARM_RESET ||
    request.function === TASK_FUNCTION.TARGET_COLD_RESET;
  const names = (plan: TaskManagementPlan): TaskManagementPlan =>
    request.lun === diskLun || isTargetReset
      ? plan
      : { type: "answer", response: TASK_RESPONSE.LUN_DOES_NOT_EXIST };
  switch (request.function) {
    case TASK_FUNCTION.ABORT_TASK:
      if (request.referencedTaskTag === RESERVED_TAG)
        return { type: "answer", response: TASK_RESPONSE.REJECTED };
      return names({ type: "abortTask", filter: { nexus, itt: request.referencedTaskTag } });
    case TASK_FUNCTION.ABORT_TASK_SET:
      return names({ type: "abortTaskSet", filter: { nexus } });
    case TASK_FUNCTION.CLEAR_TASK_SET:
      return names({ type: "clearTaskSet" });
    case TASK_FUNCTION.LOGICAL_UNIT_RESET:
      return names({ type: "reset", scope: "logicalUnit" });
    case TASK_FUNCTION.TARGET_WARM_RESET:
      return { type: "reset", scope: "warm" };
    case TASK_FUNCTION.TARGET_COLD_RESET:
      return { type: "reset", scope: "cold" };
    case TASK_FUNCTION.TASK_REASSIGN:
      return { type: "answer", response: TASK_RESPONSE.REASSIGN_NOT_SUPPORTED };
    default:
      return { type: "answer", response: TASK_RESPONSE.FUNCTION_NOT_SUPPORTED };
  }
}

/** What a plan needs done. */
export interface TaskManagementActions {
  abort: (filter: TaskFilter) => Promise<number>;
  clearTaskSet: () => Promise<void>;
  reset: (attention: "BUS_DEVICE_RESET" | "POWER_ON") => void;
  respond: (response: number, then: "continue" | "close") => void;
  /** ends all connections but the one that asked */
  closeOthers: () => Promise<void>;
}

export async function carryOut(plan: TaskManagementPlan, actions: TaskManagementActions): Promise<void> {
  const { abort, respond } = actions;
  switch (plan.type) {
    case "answer":
      respond(plan.response, "continue");
      return;
    case "abortTask": {
      const aborted = await abort(plan.filter);
      respond(aborted > 0 ? TASK_RESPONSE.COMPLETE : TASK_RESPONSE.TASK_DOES_NOT_EXIST, "continue");
      return;
    }
    case "abortTaskSet":
      await abort(plan.filter);
      respond(TASK_RESPONSE.COMPLETE, "continue");
      return;
    case "clearTaskSet":
      await actions.clearTaskSet();
      respond(TASK_RESPONSE.COMPLETE, "continue");
      return;
    case "reset":
      await abort({});
      actions.reset(plan.scope === "logicalUnit" ? "BUS_DEVICE_RESET" : "POWER_ON");
      respond(TASK_RESPONSE.COMPLETE, plan.scope === "cold" ? "close" : "continue");
      if (plan.scope === "cold") await actions.closeOthers();
      return;
  }
}
