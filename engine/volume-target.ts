/** The iSCSI target of an attached volume. */
import type { Logger } from "pino";
import { Target } from "../native/index.js";
import type { AttachedVolume } from "./attached-volume.js";
import type { ChapOptions } from "./target/chap.js";
import { IscsiTarget } from "./target/target.js";

/** As Longhorn names its targets, so that initiators find a volume again. */
const IQN_PREFIX = "iqn.2019-10.io.longhorn:";
export const LUN = 1;

export function iqnOf(volume: string): string {
  return IQN_PREFIX + volume.replaceAll("_", ":");
}

export interface VolumeTargetOptions {
  volume: string;
  /** bytes */
  size: number;
  logicalBlockSize: 512 | 4096;
  /** initiator names that may log in; null: all */
  acl: string[] | null;
  chap: ChapOptions | null;
  /** of the target in whose place this one comes; null: there is none */
  unitState: Buffer | null;
  log: Logger;
}

/** Listens nowhere before it is started. */
export function createTarget(
  { volume, replicas }: AttachedVolume,
  options: VolumeTargetOptions,
): IscsiTarget {
  const { log, ...description } = options;
  return new IscsiTarget(
    {
      ...description,
      iqn: iqnOf(options.volume),
      lun: LUN,
      portals: [],
      savedReservations: replicas.engineState.length > 0 ? replicas.engineState : null,
    },
    {
      createTarget: (targetOptions, onEvent) => new Target(volume, targetOptions, onEvent),
      extents: (offset, length) => volume.extents(null, offset, length),
      flush: () => volume.flush(null),
      persist: (bytes) => replicas.saveEngineState(bytes),
      log,
    },
  );
}
