/** Types of what the API sends and takes. They are made of the server's own tables of schemas; nothing of those is loaded. */
import type { Body, Given, SchemaId, SCHEMAS } from "../manager/rest/schemas/index.js";

/** A resource as a reply has it. */
export type ResourceOf<Id extends SchemaId> = Body<Id> & {
  id: string;
  type: Id;
  links: Record<string, string>;
  /** URLs of the actions that it allows now, by their names */
  actions: Record<string, string>;
};

export type Volume = ResourceOf<"volume">;
export type Node = ResourceOf<"node">;
export type Setting = ResourceOf<"setting">;
export type RecurringJob = ResourceOf<"recurringJob">;
export type EventResource = Omit<ResourceOf<"event">, "event"> & { event: KubernetesEvent };

/** What is told of an event: Kubernetes' own type, as far as it is filled here. */
export interface KubernetesEvent {
  metadata: { name: string; uid: string };
  involvedObject: { kind: string; name: string; uid: string };
  reason: string;
  message: string;
  /** "Normal" or "Warning" */
  type: string;
  source: { component: string };
  /** RFC 3339, both */
  firstTimestamp: string;
  lastTimestamp: string;
  count: number;
}

/** Collections by their path, with the schema of what is in them. */
export interface Collections {
  volumes: "volume";
  nodes: "node";
  settings: "setting";
  recurringjobs: "recurringJob";
  events: "event";
  volumeattachments: "volumeAttachment";
  engineimages: "engineImage";
  instancemanagers: "instanceManager";
  orphans: "orphan";
}

export type CollectionName = keyof Collections;

export type ItemOf<C extends CollectionName> = C extends "events"
  ? EventResource
  : ResourceOf<Collections[C]>;

export type FieldsOf<C extends CollectionName> = Given<Collections[C]>;

type Actions<C extends CollectionName> = (typeof SCHEMAS)[Collections[C]] extends { actions: infer A }
  ? A
  : never;

export type ActionName<C extends CollectionName> = keyof Actions<C> & string;

/** What actions take besides, which Longhorn's schemas do not say. */
type OwnInput<A> = A extends "salvage" ? { force?: boolean } : unknown;

/** Some published names of inputs are none: what those actions take is not said by the schemas. */
export type ActionInput<C extends CollectionName, A extends ActionName<C>> = PublishedInput<C, A> &
  OwnInput<A>;

type PublishedInput<C extends CollectionName, A extends ActionName<C>> = Actions<C>[A] extends {
  input: infer I;
}
  ? I extends SchemaId
    ? Given<I>
    : Record<string, unknown>
  : Record<string, never>;

/** As the server answers, which is not in all cases what the schemas say. `null`: no body. */
export type ActionOutput<C extends CollectionName, A extends ActionName<C>> = A extends "snapshotRevert"
  ? null
  : A extends `recurringJob${string}`
    ? { data: ResourceOf<"volumeRecurringJob">[] }
    : A extends "snapshotList"
      ? { data: ResourceOf<"snapshot">[] }
      : A extends "snapshotCRList"
        ? { data: ResourceOf<"snapshotCR">[] }
        : Actions<C>[A] extends { output: infer O extends SchemaId }
          ? ResourceOf<O>
          : ItemOf<C>;
