/** The live chain: the head and its ancestors. */
import type { DiskMeta } from "./disk-meta.js";
import { CHAIN_FILES_MAX } from "./limits.js";
import { ReplicaError } from "./replica-error.js";

/** Follows parents from `top` to the root.
 * @param disks metas by data file name
 * @returns file names, `top` first
 * @throws {ReplicaError} `DAMAGED`: a parent without meta, a loop, or more than CHAIN_FILES_MAX files */
export function chainFrom(top: string, disks: ReadonlyMap<string, DiskMeta>, directory: string): string[] {
  const chain: string[] = [];
  const seen = new Set<string>();
  for (let name = top; name !== "";) {
    const meta = disks.get(name);
    if (meta === undefined)
      throw new ReplicaError("DAMAGED", `${directory}: failed to find metadata for ${name}`);
    if (seen.has(name)) throw new ReplicaError("DAMAGED", `${directory}: the chain comes back to ${name}`);
    seen.add(name);
    chain.push(name);
    name = meta.parent;
  }
  if (chain.length > CHAIN_FILES_MAX) {
    throw new ReplicaError("DAMAGED", `${directory}: live chain is too long: ${chain.length}`);
  }
  return chain;
}
