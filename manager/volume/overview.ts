/**
 * What of the cluster counts for volumes, kept from what the store tells: nodes, settings, and what is where of all volumes. A volume's
 * own objects are read when it is decided about; what is here may be some moments old.
 */
import { isTrue } from "../objects/conditions.js";
import type { Kind } from "../objects/kinds.js";
import type { Resource } from "../objects/resource.js";
import { clusterOf, type Cluster } from "../schedule/cluster.js";
import type { SettingName } from "../settings/definitions.js";
import { definitionOf, isSetting, SettingValues } from "../settings/settings.js";
import type { Store } from "../store/store.js";
import { Rebuilds } from "./rebuilds.js";
import type { Plan, World } from "./world.js";

/** All objects of one kind, as they were told last; not to be changed. */
class Mirror<K extends Kind> {
  readonly objects = new Map<string, Resource<K>>();
  readonly synced: Promise<void>;
  #end: () => void = () => undefined;

  /** @param onChange given what an object was before, and is now; undefined: there was, or is, none */
  constructor(
    store: Store,
    kind: K,
    onChange: (before: Resource<K> | undefined, after: Resource<K> | undefined) => void = () => undefined,
  ) {
    this.synced = new Promise((resolve) => {
      this.#end = store.watch(kind, {
        onChange: ({ change, object }) => {
          const { name } = object.metadata;
          const before = this.objects.get(name);
          if (change === "DELETED") this.objects.delete(name);
          else this.objects.set(name, object);
          onChange(before, change === "DELETED" ? undefined : object);
        },
        onSynced: resolve,
      });
    });
  }

  end(): void {
    this.#end();
  }
}

export class Overview {
  readonly synced: Promise<unknown>;
  readonly #nodes: Mirror<"Node">;
  readonly #settings: Mirror<"Setting">;
  readonly #engines: Mirror<"Engine">;
  readonly #replicas: Mirror<"Replica">;
  readonly #rebuilds = new Rebuilds();
  readonly #volumes = new Set<string>();
  readonly #endVolumes: () => void;

  /** @param onShift called when something has changed that may count for any volume */
  constructor(store: Store, onShift: () => void) {
    this.#nodes = new Mirror(store, "Node", (before, after) => {
      if (facts(before) !== facts(after)) onShift();
    });
    this.#settings = new Mirror(store, "Setting", (before, after) => {
      if (valueOf(before ?? after, before) !== valueOf(before ?? after, after)) onShift();
    });
    // Of volumes only the names: their status changes often, and is read when they are decided about.
    this.#endVolumes = store.watch("Volume", {
      onChange: ({ change, object: { metadata } }) =>
        change === "DELETED" ? this.#volumes.delete(metadata.name) : this.#volumes.add(metadata.name),
    });
    this.#engines = new Mirror(store, "Engine");
    this.#replicas = new Mirror(store, "Replica");
    this.synced = Promise.all([this.#nodes, this.#settings, this.#engines, this.#replicas].map(({ synced }) => synced)); // prettier-ignore
  }

  end(): void {
    for (const mirror of [this.#nodes, this.#settings, this.#engines, this.#replicas]) mirror.end();
    this.#endVolumes();
  }

  get volumes(): Iterable<string> {
    return this.#volumes;
  }

  get nodes(): Resource<"Node">[] {
    return [...this.#nodes.objects.values()];
  }

  /** Whose agents answer. */
  get reachable(): Set<string> {
    const ready = this.nodes.filter(({ status }) => isTrue(status.conditions, "Ready"));
    return new Set(ready.map(({ metadata }) => metadata.name));
  }

  get settings(): SettingValues {
    return new SettingValues(
      new Map([...this.#settings.objects].map(([name, { spec }]) => [name, spec.value])),
    );
  }

  /** @param volume and its replicas, as they are now */
  cluster(volume: string, own: readonly Resource<"Replica">[], settings: SettingValues): Cluster {
    const others = [...this.#replicas.objects.values()].filter(({ spec }) => spec.volumeName !== volume);
    return clusterOf(this.nodes, [...others, ...own], settings);
  }

  /** Replicas that are being made equal, or are about to be, of all volumes, by node. */
  rebuilding(now: number): Map<string, number> {
    return this.#rebuilds.byNode(this.#engines.objects.values(), this.#replicas.objects, now);
  }

  /** A plan is about to be stored. */
  note(world: World, plan: Plan): void {
    this.#rebuilds.note(world, plan);
  }
}

/** What of a node may count for any volume. Room comes and goes: who waits for it looks again by himself. */
function facts(node: Resource<"Node"> | undefined): string {
  if (node === undefined) return "";
  const { metadata, spec, status } = node;
  const conditionsOf = (conditions: typeof status.conditions) =>
    conditions.map((one) => [one.type, one.status]);
  const disks = Object.entries(status.diskStatus).map(([name, { diskUUID, diskPath, conditions }]) => [name, diskUUID, diskPath, conditionsOf(conditions)]); // prettier-ignore
  const { zone, autoEvicting } = status;
  return JSON.stringify([metadata.deletionTimestamp, spec, zone, autoEvicting, conditionsOf(status.conditions), disks]); // prettier-ignore
}

/** @param either has its name
 * @returns what counts when it has this object, or none */
function valueOf(either: Resource<"Setting"> | undefined, setting: Resource<"Setting"> | undefined): string {
  const name = either?.metadata.name ?? "";
  return setting?.spec.value ?? (isSetting(name) ? definitionOf(name satisfies SettingName).default : "");
}
