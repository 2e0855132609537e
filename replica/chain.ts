/** The live chain: the head and its ancestors; and who is whose child. */
import type { ReplicaDirectory } from "./directory.js";
import { CHAIN_FILES_MAX } from "./limits.js";
import { ReplicaError } from "./replica-error.js";

type Disks = Pick<ReplicaDirectory, "path" | "disks" | "damaged">;

/** Follows parents from `top` to the root.
 * @returns data file names, `top` first
 * @throws {ReplicaError} `DAMAGED`: a parent without meta, a loop, or more than CHAIN_FILES_MAX files; a damaged disk's */
export function chainFrom(top: string, { path, disks, damaged }: Disks): string[] {
  const chain: string[] = [];
  const seen = new Set<string>();
  for (let name = top; name !== "";) {
    const meta = disks.get(name);
    if (meta === undefined) {
      throw damaged.get(name)?.error ?? new ReplicaError("DAMAGED", `${path}: failed to find metadata for ${name}`); // prettier-ignore
    }
    if (seen.has(name)) throw new ReplicaError("DAMAGED", `${path}: the chain comes back to ${name}`);
    seen.add(name);
    chain.push(name);
    name = meta.parent;
  }
  if (chain.length > CHAIN_FILES_MAX) {
    throw new ReplicaError("DAMAGED", `${path}: live chain is too long: ${chain.length}`);
  }
  return chain;
}

/** Children by parent, data file names; damaged disks count, as far as their parent is known. */
export function childrenByParent({ disks, damaged }: Disks): Map<string, string[]> {
  const children = new Map<string, string[]>();
  for (const [name, { parent }] of [...disks, ...damaged]) {
    if (parent === null || parent === "") continue;
    children.set(parent, [...(children.get(parent) ?? []), name]);
  }
  return children;
}

export function childrenOf(name: string, directory: Disks): string[] {
  return childrenByParent(directory).get(name) ?? [];
}

/** A disk whose meta cannot be read may be anybody's child: while there is one, nothing below it may be touched.
 * @throws {ReplicaError} `DAMAGED`, naming it */
export function checkAllParentsKnown({ damaged }: Disks): void {
  for (const { parent, error } of damaged.values()) {
    if (parent === null) throw new ReplicaError("DAMAGED", `nothing is removed while ${error.message}`, { cause: error }); // prettier-ignore
  }
}
