/** Where an engine finds what it is given: replicas and witnesses that serve. */
import type { Resource } from "../objects/resource.js";

export function isServing({ status, spec }: Resource<"Replica" | "Witness">): boolean {
  return spec.desireState === "running" && status.currentState === "running" && status.port > 0;
}

/** `ip:port`, as the engine is given it. */
export function addressOf({ status }: Resource<"Replica" | "Witness">): string {
  const ip = status.storageIP === "" ? status.ip : status.storageIP;
  return `${ip.includes(":") ? `[${ip}]` : ip}:${status.port}`;
}
