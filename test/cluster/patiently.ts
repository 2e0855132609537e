/** Calls to a manager that may be killed at any moment. */
import { UnreachableError } from "../../rest-client/errors.js";
import { sleep } from "../tools/process.js";
import { STEP_MS } from "./limits.js";

/** Whoever is killed comes back: what it was asked is asked again. */
export async function patiently<C, T>(client: () => C, call: (client: C) => Promise<T>): Promise<T> {
  const deadline = Date.now() + STEP_MS;
  for (;;) {
    try {
      return await call(client());
    } catch (error) {
      if (!(error instanceof UnreachableError) || Date.now() > deadline) throw error;
      await sleep(100);
    }
  }
}
