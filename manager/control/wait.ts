/** Waiting for an object to become as somebody wants it. */
import type { Kind } from "../objects/kinds.js";
import type { Resource } from "../objects/resource.js";
import type { Store } from "../store/store.js";

export interface Patience {
  ms: number;
  /** ends it before */
  signal: AbortSignal;
}

/** @param reached is given null when there is none; what it throws ends the waiting
 * @throws {Error} it took too long; the reason of the signal */
export function waitFor<K extends Kind>(
  store: Store,
  kind: K,
  name: string,
  reached: (object: Resource<K> | null) => boolean,
  { ms, signal }: Patience,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => finish(new Error(`${kind} ${name} was waited for in vain`)), ms);
    const onAbort = () => finish(signal.reason as Error);
    let isThere = false;
    const look = (object: Resource<K> | null) => {
      try {
        if (reached(object)) finish(null);
      } catch (error) {
        finish(error as Error);
      }
    };
    const end = store.watch(kind, {
      onChange: ({ change, object }) => {
        if (object.metadata.name !== name) return;
        isThere = change !== "DELETED";
        look(isThere ? object : null);
      },
      onSynced: () => {
        if (!isThere) look(null);
      },
    });
    const finish = (error: Error | null) => {
      end();
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      if (error === null) resolve();
      else reject(error);
    };
    signal.addEventListener("abort", onAbort);
    if (signal.aborted) onAbort();
  });
}

/** Work that cannot be broken off is not waited for any more.
 * @throws {Error} the reason of the signal, or what the work throws */
export function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason as Error);
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
