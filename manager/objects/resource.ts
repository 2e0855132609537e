/** An object as the store keeps it: Kubernetes' metadata, what is wanted (spec), and how it is (status). */
import type { Kind, SpecOf, StatusOf } from "./kinds.js";

export interface OwnerReference {
  kind: Kind;
  name: string;
  uid: string;
}

export interface Metadata {
  readonly name: string;
  /** of this object alone: another one under the same name has another uid */
  readonly uid: string;
  /** changes with every change; opaque */
  readonly resourceVersion: string;
  /** grows with every change of the spec */
  readonly generation: number;
  /** RFC 3339 */
  readonly creationTimestamp: string;
  /** RFC 3339: it was deleted, and is kept for its finalizers; "" otherwise */
  readonly deletionTimestamp: string;
  finalizers: string[];
  labels: Record<string, string>;
  annotations: Record<string, string>;
  ownerReferences: OwnerReference[];
}

export interface Resource<K extends Kind = Kind> {
  readonly kind: K;
  metadata: Metadata;
  spec: SpecOf<K>;
  status: StatusOf<K>;
}

/** What is given to make one; what is left out has its zero value. */
export interface NewResource<K extends Kind> {
  kind: K;
  name: string;
  finalizers?: string[];
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  ownerReferences?: OwnerReference[];
  spec: Partial<SpecOf<K>>;
  status?: Partial<StatusOf<K>>;
}

/** Of every object that the system makes: it is gone only when what it stands for is. */
export const FINALIZER = "longhorn.io";

export function isDeleted({ metadata }: Resource): boolean {
  return metadata.deletionTimestamp !== "";
}

/** @returns the finalizers of an object whose thing is gone: what others wait for stays */
export function withoutOurs({ finalizers }: Metadata): string[] {
  return finalizers.filter((finalizer) => finalizer !== FINALIZER);
}

export function forgetAnnotation(metadata: Pick<Metadata, "annotations">, name: string): void {
  metadata.annotations = Object.fromEntries(
    Object.entries(metadata.annotations).filter(([key]) => key !== name),
  );
}
