/** Volumes that are made of others. Facts: manager.md section 12. */
import type { Resource } from "../objects/resource.js";

/** Its content is not whole: nobody may use it, and nothing is kept of it. */
export function isCloning({ spec, status }: Resource<"Volume">): boolean {
  return spec.dataSource !== "" && !["copy-completed-awaiting-healthy", "completed"].includes(status.cloneStatus.state); // prettier-ignore
}
