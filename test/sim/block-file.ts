/**
 * The data of a sparse file on a disk that has a volatile cache: 4 KiB blocks of eight sectors, each sector one number
 * (what it is filled with, 0: zeros). What was not synced is lost in a power cut, in any order, torn at sectors.
 */
import type { Random } from "./random.js";

export const SECTOR_BYTES = 512;
export const BLOCK_BYTES = 4096;
export const BLOCK_SECTORS = BLOCK_BYTES / SECTOR_BYTES;

/** null: a hole */
type Content = Int32Array | null;

interface Version {
  order: number;
  content: Content;
}

export class BlockFile {
  readonly blocks = new Map<number, Int32Array>();
  private readonly durable = new Map<number, Int32Array>();
  /** since the last sync, oldest first */
  private readonly pending = new Map<number, Version[]>();
  private order = 0;

  /** @param content not changed afterwards */
  set(block: number, content: Content): void {
    if (content === null) {
      if (!this.blocks.delete(block)) return;
    } else this.blocks.set(block, content);
    const version = { order: ++this.order, content };
    const versions = this.pending.get(block);
    if (versions === undefined) this.pending.set(block, [version]);
    else versions.push(version);
  }

  /** Durable as it is now. */
  copy(): BlockFile {
    const copy = new BlockFile();
    for (const [block, content] of this.blocks) {
      copy.blocks.set(block, content);
      copy.durable.set(block, content);
    }
    return copy;
  }

  /** Nobody wrote, and yet it is read otherwise from now on, also after a power cut. */
  rot(block: number, sector: number, value: number): void {
    const rotten = (content: Int32Array) => content.map((old, at) => (at === sector ? value : old));
    for (const kept of [this.blocks, this.durable]) {
      const content = kept.get(block);
      if (content !== undefined) kept.set(block, rotten(content));
    }
  }

  /** how often it was changed */
  get changes(): number {
    return this.order;
  }

  /** Makes a hole that no power cut takes back. */
  free(block: number): void {
    this.set(block, null);
    this.durable.delete(block);
    this.pending.delete(block);
  }

  get isDirty(): boolean {
    return this.pending.size > 0;
  }

  /** @returns what `endSync` makes durable */
  beginSync(): number {
    return this.order;
  }

  endSync(upTo: number): void {
    for (const [block, versions] of this.pending) {
      let last = versions.length - 1;
      while (last >= 0 && (versions[last]?.order ?? 0) > upTo) last--;
      const newest = versions[last];
      if (newest === undefined) continue;
      this.keep(block, newest.content);
      if (last === versions.length - 1) this.pending.delete(block);
      else versions.splice(0, last + 1);
    }
  }

  /** A sync failed: what was to be written never will be, unless it is written anew. The cache shows it as long as it has it: of some
   * blocks what is on the disk is read already. */
  failSync(random: Random): void {
    for (const [block, versions] of this.pending) {
      if (random.chance(0.5)) this.lose(block, versions, random);
      else for (const version of versions) version.order = Infinity;
    }
  }

  cutPower(random: Random): void {
    for (const [block, versions] of this.pending) this.lose(block, versions, random);
  }

  /** Whatever the disk has by chance, it has for good. */
  private lose(block: number, versions: readonly Version[], random: Random): void {
    const states = [this.durable.get(block) ?? null, ...versions.map(({ content }) => content)];
    const survivor = survivorOf(states, random);
    this.keep(block, survivor);
    if (survivor === null) this.blocks.delete(block);
    else this.blocks.set(block, survivor);
    this.pending.delete(block);
  }

  private keep(block: number, content: Content): void {
    if (content === null) this.durable.delete(block);
    else this.durable.set(block, content);
  }
}

/** Whether a block is there is in the file system's journal; what an allocated one holds may be torn. */
function survivorOf(states: Content[], random: Random): Content {
  const whole = random.pick(states);
  if (whole === null || random.chance(0.5) || states.includes(null)) return whole;
  return whole.map((_, sector) => random.pick(states)?.[sector] ?? 0);
}
