/** One call at a time for each volume: whoever comes meanwhile is told to come again. */
import { notNow } from "./errors.js";

export class Locks {
  /** what is under way, by key */
  readonly #held = new Map<string, string>();

  /** @param what is done, for those who come meanwhile
   * @throws {RpcError} ABORTED: something is under way */
  async hold<T>(key: string, what: string, work: () => Promise<T>): Promise<T> {
    const before = this.#held.get(key);
    if (before !== undefined) throw notNow(`${before} of ${key} is under way`);
    this.#held.set(key, what);
    try {
      return await work();
    } finally {
      this.#held.delete(key);
    }
  }
}
