/** What is looked at before something is decided about a volume, and what was decided. */
import type { NewResource, Resource } from "../objects/resource.js";
import type { Cluster } from "../schedule/cluster.js";
import type { SettingValues } from "../settings/settings.js";
import type { Upkeep } from "./upkeep.js";

export interface World {
  /** ms since 1970 */
  now: number;
  volume: Resource<"Volume">;
  /** null: not made yet, or gone */
  engine: Resource<"Engine"> | null;
  /** of this volume, sorted by name */
  replicas: readonly Resource<"Replica">[];
  /** of this volume: its witness, or the voters of it, or none (yet) */
  witnesses: readonly Resource<"Witness">[];
  cluster: Cluster;
  settings: SettingValues;
  /** nodes whose agents answer */
  reachable: ReadonlySet<string>;
  /** replicas that are being made equal, or are about to be, of all volumes, by node */
  rebuilding: ReadonlyMap<string, number>;
  /** types of the tickets that the volume has for its upkeep */
  held: ReadonlySet<string>;
  /** @returns 8 hexadecimal digits that no replica of this volume has in its name */
  newSuffix: () => string;
}

export interface VolumeEvent {
  /** null: the volume itself */
  about: Resource<"Replica"> | null;
  type: "Normal" | "Warning";
  /** one of Longhorn's reasons */
  reason: string;
  message: string;
}

/** Objects as they have to be; whatever differs from what is stored is stored. */
export interface Plan {
  volume: Resource<"Volume">;
  engine: Resource<"Engine"> | null;
  replicas: Resource<"Replica">[];
  witnesses: Resource<"Witness">[];
  created: (NewResource<"Engine"> | NewResource<"Replica"> | NewResource<"Witness">)[];
  /** of the engine, the replicas and the witnesses */
  deleted: Resource[];
  /** types of the tickets that it has to have for its upkeep */
  upkeep: Upkeep[];
  events: VolumeEvent[];
  /** ms since 1970: something has to be decided then even if nothing changes; null: no */
  lookAgainAt: number | null;
}
