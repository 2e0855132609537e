/**
 * Where objects are kept. What a store does is what Kubernetes' API does with its objects (versions, finalizers, watches), so
 * that nothing above needs to know which store is below.
 */
import type { Kind } from "../objects/kinds.js";
import { withoutOurs, type NewResource, type Resource } from "../objects/resource.js";

export class StoreError extends Error {
  override readonly name = "StoreError";
  /** `CONFLICT`: it was changed since it was read; `EXISTS`: the name is taken; `MISSING`: there is none, or another one
   * under its name; `INVALID`: a field is not as it has to be; `CLOSED` */
  constructor(
    readonly code: "CONFLICT" | "EXISTS" | "MISSING" | "INVALID" | "CLOSED",
    message: string,
  ) {
    super(message);
  }
}

export type Change<K extends Kind = Kind> = { change: "ADDED" | "MODIFIED" | "DELETED"; object: Resource<K> };

export interface Store {
  /** @returns null when there is none */
  get<K extends Kind>(kind: K, name: string): Promise<Resource<K> | null>;
  /** Sorted by name.
   * @param labels that objects must have, all of them */
  list<K extends Kind>(kind: K, labels?: Record<string, string>): Promise<Resource<K>[]>;
  /** Calls back for each object that is there (`ADDED`), then once `onSynced`, then for each change, in order. What is
   * handed out is the listener's own.
   * @returns ends it */
  watch<K extends Kind>(kind: K, listener: WatchListener<K>): () => void;
  /** Durable when it resolves, as all changes are.
   * @throws {StoreError} `EXISTS`, `INVALID` */
  create<K extends Kind>(object: NewResource<K>): Promise<Resource<K>>;
  /** Changes spec, labels, annotations, finalizers and owners, not the status. Without a difference nothing happens. An object
   * that is deleted goes with its last finalizer.
   * @throws {StoreError} `CONFLICT`, `MISSING`, `INVALID` */
  update<K extends Kind>(object: Resource<K>): Promise<Resource<K>>;
  /** Changes the status alone.
   * @throws {StoreError} `CONFLICT`, `MISSING`, `INVALID` */
  updateStatus<K extends Kind>(object: Resource<K>): Promise<Resource<K>>;
  /** Gone at once without finalizers; with some it is marked. One that is not there is no error.
   * @param uid only that object
   * @throws {StoreError} `MISSING`: another object has the name */
  delete(kind: Kind, name: string, uid?: string): Promise<void>;
  close(): Promise<void>;
}

export interface WatchListener<K extends Kind> {
  onChange(change: Change<K>): void;
  onSynced?(): void;
}

/** Reads, changes and stores an object until nobody was faster.
 * @param change what to do with it; null: leave it
 * @returns as it is stored; null when there is none
 * @throws {StoreError} what `update` throws, but for `CONFLICT` */
export async function modify<K extends Kind>(
  store: Store,
  kind: K,
  name: string,
  part: "spec" | "status",
  change: (object: Resource<K>) => void,
): Promise<Resource<K> | null> {
  for (;;) {
    const object = await store.get(kind, name);
    if (object === null) return null;
    change(object);
    try {
      return await (part === "spec" ? store.update(object) : store.updateStatus(object));
    } catch (error) {
      if (error instanceof StoreError && error.code === "MISSING") return null;
      if (!(error instanceof StoreError) || error.code !== "CONFLICT") throw error;
    }
  }
}

/** What an object that is deleted stands for is gone: so is the object, unless others still wait for something.
 * @throws {StoreError} what `update` throws */
export async function letGo(store: Store, object: Resource): Promise<void> {
  const { metadata } = object;
  await store.update({ ...object, metadata: { ...metadata, finalizers: withoutOurs(metadata) } });
}
