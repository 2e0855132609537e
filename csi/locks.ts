/** One call at a time for each volume: whoever comes meanwhile is told to come again. */
import { notNow } from "./errors.js";

interface Held {
  key: string;
  /** null: all of it */
  part: string | null;
  what: string;
}

export class Locks {
  /** what is under way */
  readonly #held = new Set<Held>();

  /** @param part in the way of the same part, and of all of it; null: of each part
   * @param what is done, for those who come meanwhile
   * @throws {RpcError} ABORTED: something is under way */
  async hold<T>(key: string, part: string | null, what: string, work: () => Promise<T>): Promise<T> {
    for (const other of this.#held)
      if (other.key === key && (part === null || other.part === null || part === other.part))
        throw notNow(`${other.what} of ${key} is under way`);
    const held = { key, part, what };
    this.#held.add(held);
    try {
      return await work();
    } finally {
      this.#held.delete(held);
    }
  }
}
