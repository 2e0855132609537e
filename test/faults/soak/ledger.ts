/** What every sector has to hold, told from the log of what was written; and whether it does: as initiators read it, and in the
 * files of each copy. */
import { headContent, viewsOf } from "../../engine/chain-views.js";
import { checkHistory } from "../history/check.js";
import type { Operation } from "../history/operation.js";
import { VIOLATIONS_TOLD, VOLUME_BYTES } from "../limits.js";
import type { World } from "../world/world.js";

const SECTOR = 512;
const BLOCK = 4096;
const STAMP = 16;
/** what an initiator reads: everything, twice */
const SWEEPS = 2;

export const SECTORS = VOLUME_BYTES / SECTOR;

export interface Verified {
  operations: number;
  errors: number;
  lost: number;
  written: number;
  read: number;
  /** read again and compared, by initiators and in files */
  blocks: number;
  /** that were the same in all copies */
  snapshots: number;
  violations: string[];
}

export class Ledger {
  readonly #versions = new Float64Array(SECTORS);

  /** The load pauses meanwhile. Afterwards everything that was answered is durable. */
  async verify(world: World): Promise<Verified> {
    const { load, cuts, replicas } = world;
    const operations = await load.chapter();
    // A copy that could not be reached is missed only when a write to it has waited for long enough: all are answered now.
    await world.healthy();
    const wrong = checkHistory(operations, cuts.splice(0), (sector) => this.#versions[sector] ?? 0);
    const violations = wrong.map(({ broken, sector, what }) => `${broken}: sector ${sector}: ${what}`);
    for (const { kind, outcome } of operations)
      if (outcome.type === "error") violations.push(`an error: ${kind}: ${outcome.sense}`);
    this.#follow(operations);
    const copies = await Promise.all(replicas.map(({ directory }) => viewsOf(directory)));
    const snapshots = Object.keys(copies[0] ?? {}).filter((name) => name !== "head");
    for (const name of snapshots)
      if (new Set(copies.map((views) => views[name])).size > 1) violations.push(`${name} differs`);
    const expected = this.#content();
    for (const { host, directory } of replicas) {
      const at = firstDifferent(expected, await headContent(directory));
      if (at !== null)
        violations.push(`equal: sector ${at} of copy ${host} is not version ${this.#versions[at] ?? 0}`);
    }
    const bytes = (kinds: string[]): number =>
      operations.reduce((sum, each) => sum + (kinds.includes(each.kind) ? bytesOf(each) : 0), 0);
    const ended = (type: Operation["outcome"]["type"]): number =>
      operations.filter(({ outcome }) => outcome.type === type).length;
    return {
      ...{ operations: ended("ok"), errors: ended("error"), lost: ended("lost") },
      ...{ written: bytes(["write"]), read: bytes(["read"]) },
      ...{ blocks: (VOLUME_BYTES / BLOCK) * (SWEEPS + copies.length), snapshots: snapshots.length },
      violations: violations.slice(0, VIOLATIONS_TOLD),
    };
  }

  /** The last that was read of each sector: the load ends with that. */
  #follow(operations: readonly Operation[]): void {
    for (const operation of operations) {
      if (operation.kind !== "read") continue;
      let { sector } = operation;
      for (const { version, count } of operation.runs) {
        this.#versions.fill(version, sector, sector + count);
        sector += count;
      }
    }
  }

  /** The whole volume, as `load/recorded_load.cc` writes it. */
  #content(): Buffer {
    const content = Buffer.alloc(VOLUME_BYTES);
    const stamp = Buffer.alloc(STAMP);
    for (const [sector, version] of this.#versions.entries()) {
      if (version <= 0) continue; // blank, or torn, which was told
      stamp.writeBigUInt64LE(BigInt(sector));
      stamp.writeBigUInt64LE(BigInt(version), STAMP / 2);
      content.fill(stamp, sector * SECTOR, (sector + 1) * SECTOR);
    }
    return content;
  }
}

function bytesOf(operation: Operation): number {
  if (operation.kind === "flush" || operation.outcome.type !== "ok") return 0;
  const sectors =
    operation.kind === "read" ? operation.runs.reduce((sum, { count }) => sum + count, 0) : operation.count;
  return sectors * SECTOR;
}

/** @returns the first sector */
function firstDifferent(one: Buffer, other: Buffer): number | null {
  if (one.equals(other)) return null;
  let sector = 0;
  while (
    one.compare(other, sector * SECTOR, (sector + 1) * SECTOR, sector * SECTOR, (sector + 1) * SECTOR) === 0
  )
    sector += 1;
  return sector;
}
