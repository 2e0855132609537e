/** A loop over keys that are derived from changes of objects. */
import type { Logger } from "pino";
import type { Kind } from "../objects/kinds.js";
import type { Resource } from "../objects/resource.js";
import { StoreError, type Store } from "../store/store.js";
import { WorkQueue, type Work } from "./work-queue.js";

export class Loop {
  readonly #queue: WorkQueue;
  readonly #ends: (() => void)[] = [];
  private readonly log: Logger;
  #stopped = false;

  constructor(
    name: string,
    private readonly store: Store,
    work: Work,
    log: Logger,
  ) {
    this.log = log.child({ loop: name });
    this.#queue = new WorkQueue(work, this.log, isConflict);
  }

  /** Works on the keys of every object of a kind that is there, and whenever one changes.
   * @param keysOf which keys an object concerns */
  follow<K extends Kind>(
    kind: K,
    keysOf: (object: Resource<K>) => Iterable<string> | Promise<Iterable<string>>,
  ): this {
    const onChange = ({ object }: { object: Resource<K> }) => this.addAll(keysOf(object));
    return this.alsoEnds(this.store.watch(kind, { onChange }));
  }

  /** @param end what is to be ended with the loop: something else is followed as well */
  alsoEnds(end: () => void): this {
    this.#ends.push(end);
    return this;
  }

  addAll(keys: Iterable<string> | Promise<Iterable<string>>): void {
    Promise.resolve(keys).then(
      (all) => {
        for (const key of all) this.#queue.add(key);
      },
      (err: unknown) => {
        if (!this.#stopped) this.log.error({ err }, "a change was not followed");
      },
    );
  }

  add(key: string): void {
    this.#queue.add(key);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const end of this.#ends) end();
    await this.#queue.stop();
  }
}

/** Somebody else changed what was being decided about: it is decided anew. */
function isConflict(error: unknown): boolean {
  return error instanceof StoreError && (error.code === "CONFLICT" || error.code === "MISSING");
}
