/** A deliberate bug: something that is taken away from a class, in this process alone. */

import type { Plan } from "./plan.js";
import type { WorldName } from "./worlds.js";

export interface Bug {
  name: string;
  /** where it is looked for; absent: the plain one */
  world?: WorldName;
  /** absent: its world's */
  plan?: (seed: number) => Plan;
  /** what a seed leads to, where that is no plan at all */
  check?: (seed: number) => Promise<{ failure: Error | null }>;
  /** @returns what takes it out again */
  install: () => () => void;
}

// A method of any class, private ones among them.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Method = (this: any, ...args: any[]) => unknown;

/** Puts another method in the place of one. @param make of the one that was there */
export function replacing(
  of: { prototype: object },
  method: string,
  make: (original: Method) => Method,
): Bug["install"] {
  return () => {
    const methods = of.prototype as Record<string, Method>;
    const original = methods[method];
    if (original === undefined) throw new Error(`there is no method ${method}`);
    methods[method] = make(original);
    return () => (methods[method] = original);
  };
}
