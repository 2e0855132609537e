/** Volumes that are made of others. Pure. Facts: manager.md section 12. */
import type { Resource } from "../objects/resource.js";

type Volume = Resource<"Volume">;

export const CLONE_TICKET_TYPE = "volume-clone-controller";

const WHOLE: ReadonlySet<string> = new Set(["copy-completed-awaiting-healthy", "completed"]);

export interface CloneSource {
  volume: string;
  /** "": what the volume holds when it is begun with */
  snapshot: string;
}

/** @param dataSource `vol://VOLUME` or `snap://VOLUME/SNAPSHOT`
 * @returns null when it is neither */
export function cloneSource(dataSource: string): CloneSource | null {
  const [, snapVolume, snapshot = "", volume = snapVolume] =
    /^(?:snap:\/\/([^/]+)\/([^/]+)|vol:\/\/([^/]+))$/.exec(dataSource) ?? [];
  return volume === undefined ? null : { volume, snapshot };
}

/** Its content is not whole: nobody may use it, and nothing is kept of it. */
export function isCloning({ spec, status }: Volume): boolean {
  return spec.dataSource !== "" && !WHOLE.has(status.cloneStatus.state);
}

/** How many copies it has to have now: one, until there is something to have copies of. */
export function wantedReplicas(volume: Volume): number {
  return isCloning(volume) ? 1 : volume.spec.numberOfReplicas;
}

/** Where its content comes from, which has to stay as it is until it is whole; null: it is, or never will be. */
function pendingSource(volume: Volume): CloneSource | null {
  const { state, snapshot } = volume.status.cloneStatus;
  const source = isCloning(volume) && state !== "failed" ? cloneSource(volume.spec.dataSource) : null;
  return source && { volume: source.volume, snapshot: snapshot || source.snapshot };
}

/** Its content is being read, or will be: it has to stay as it is. */
export function isBeingCloned(volumes: readonly Volume[], volume: string, snapshot: string): boolean {
  return volumes.map(pendingSource).some((one) => one?.volume === volume && one.snapshot === snapshot);
}

/** @returns names of those that become copies of a volume, or of a snapshot of it, and are not whole yet */
export function unfinishedCopies(volumes: readonly Volume[], volume: string): string[] {
  return volumes.filter((one) => pendingSource(one)?.volume === volume).map(({ metadata }) => metadata.name);
}
