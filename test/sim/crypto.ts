/** Stands in for `node:crypto`: what is random comes from the seed. */
import { runningProcess, simulation } from "./simulation.js";
import { randomUUID as realUuid } from "node:crypto";

export * from "node:crypto";

export function randomUUID(): string {
  if (runningProcess() === undefined) return realUuid();
  const { random } = simulation();
  const digits = (count: number) =>
    Array.from({ length: count }, () => random.below(16).toString(16)).join("");
  return `${digits(8)}-${digits(4)}-4${digits(3)}-8${digits(3)}-${digits(12)}`;
}
