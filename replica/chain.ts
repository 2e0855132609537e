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

/** Disks that are marked as removed, from every leaf up to the root; the one directly below the head comes last, since only
 * then nobody goes over what it holds again.
 * @param disks by data file name, as a directory has them or a peer tells them: parents may be missing or form a loop */
export function removedDisks(
  disks: ReadonlyMap<string, { parent: string; removed: boolean }>,
  head: string,
): string[] {
  const parents = new Set([...disks.values()].map(({ parent }) => parent));
  const leaves = [...disks.keys()].filter((name) => name !== head && !parents.has(name));
  const order = new Set<string>();
  for (const leaf of [...leaves.sort(), head]) {
    const seen = new Set<string>();
    for (let name = leaf; !seen.has(name) && disks.has(name); name = disks.get(name)?.parent ?? "") {
      seen.add(name);
      if (disks.get(name)?.removed === true) order.add(name);
    }
  }
  const last = disks.get(head)?.parent;
  return [...[...order].filter((name) => name !== last), ...[...order].filter((name) => name === last)];
}

/** A disk whose meta cannot be read may be anybody's child: while there is one, nothing below it may be touched.
 * @throws {ReplicaError} `DAMAGED`, naming it */
export function checkAllParentsKnown({ damaged }: Disks): void {
  for (const { parent, error } of damaged.values()) {
    if (parent === null) throw new ReplicaError("DAMAGED", `nothing is removed while ${error.message}`, { cause: error }); // prettier-ignore
  }
}
