/** What the volume's settings mean for its engine and replicas. */
import { bytesOf } from "../objects/bytes.js";
import type { Resource } from "../objects/resource.js";
import type { Draft } from "./draft.js";
import { hasData, hasFailed } from "./modes.js";
import { addressOf, isServing } from "./serving.js";

type Tristate = "" | "ignored" | "enabled" | "disabled";

/** @returns whether something is on for this volume: its own word, or the setting's where it has none */
export function isOn(own: Tristate, setting: boolean): boolean {
  return own === "enabled" || (own !== "disabled" && setting);
}

export function takeWishes(draft: Draft): void {
  const { volume, engine, settings } = draft;
  const { spec, status } = volume;
  const marks = isOn(
    spec.unmapMarkSnapChainRemoved,
    settings.flag("remove-snapshots-during-filesystem-trim"),
  );
  const { snapshotMaxCount, snapshotMaxSize, size: volumeSize } = spec;
  for (const replica of draft.replicas) {
    Object.assign(replica.spec, {
      snapshotMaxCount,
      snapshotMaxSize,
      unmapMarkDiskChainRemovedEnabled: marks,
    });
    if (isAsLarge(replica, engine, volumeSize)) replica.spec.volumeSize = volumeSize;
  }
  if (engine === null) return;
  Object.assign(engine.spec, { snapshotMaxCount, snapshotMaxSize, volumeSize, unmapMarkSnapChainRemovedEnabled: marks }); // prettier-ignore
  if (status.state === "attached") takeReplicas(draft);
  const { currentSize, snapshots } = engine.status;
  status.expansionRequired = currentSize !== "0" && bytesOf(currentSize) < bytesOf(volumeSize);
  const sizes = Object.values(snapshots).map(({ size }) => Number(size));
  if (engine.status.currentState === "running")
    status.actualSize = sizes.reduce((sum, size) => sum + size, 0);
}

/** A copy that is away while the volume grows stays as it was: by its size whoever gets it back knows. */
function isAsLarge(replica: Resource<"Replica">, engine: Draft["engine"], size: string): boolean {
  if (!hasData(replica) || engine === null) return true;
  return !hasFailed(replica) && bytesOf(engine.status.currentSize) >= bytesOf(size);
}

/** The engine keeps those that it was given, and gets those that began since. One that is gone is taken from it. */
function takeReplicas({ engine, replicas }: Draft): void {
  if (engine === null) return;
  const known = engine.spec.replicaAddressMap;
  engine.spec.replicaAddressMap = Object.fromEntries(
    replicas.flatMap((replica) => {
      const { name } = replica.metadata;
      if (isServing(replica)) return [[name, addressOf(replica)]];
      return known[name] === undefined ? [] : [[name, known[name]]];
    }),
  );
}
