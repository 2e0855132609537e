/** What a volume may hold after a power cut, from what was written, acknowledged and flushed before it. */
import type { VersionRun } from "../tools/iscsi-io.js";

export const SECTOR = 512;

export class History {
  /** per sector: the newest version known to be durable, and the newest one sent */
  private readonly durable: number[];
  private readonly newest: number[];
  private readonly acknowledged: number[];

  private versions = 0;

  constructor(readonly sectors: number) {
    this.durable = new Array<number>(sectors).fill(0);
    this.newest = new Array<number>(sectors).fill(0);
    this.acknowledged = new Array<number>(sectors).fill(0);
  }

  /** Numbers writes from 1. */
  nextVersion(): number {
    return ++this.versions;
  }

  /** A write is on its way: from now on the range may hold it. */
  sent(offset: number, length: number, version: number): void {
    this.newest.fill(version, offset / SECTOR, (offset + length) / SECTOR);
  }

  answered(offset: number, length: number, version: number, fua: boolean): void {
    const range = [offset / SECTOR, (offset + length) / SECTOR] as const;
    this.acknowledged.fill(version, ...range);
    if (fua) this.durable.fill(version, ...range);
  }

  /** All that was acknowledged before the flush was sent is durable. One operation at a time: that is all of it. */
  flushed(): void {
    for (const [sector, version] of this.acknowledged.entries()) this.durable[sector] = version;
  }

  /** What is wrong with what was read, sector by sector: nothing may be older than durable, torn, or from elsewhere. */
  check(runs: VersionRun[], atLeast: "durable" | "acknowledged"): string[] {
    const wrong: string[] = [];
    let sector = 0;
    for (const { version, sectors } of runs) {
      for (const end = sector + sectors; sector < end; sector++) {
        const least = this[atLeast][sector] ?? 0;
        const most = this.newest[sector] ?? 0;
        if (version === "torn" || version < least || version > most)
          wrong.push(`sector ${sector} holds version ${version}, expected ${least} to ${most}`);
      }
    }
    if (sector !== this.sectors) wrong.push(`read ${sector} sectors of ${this.sectors}`);
    return wrong;
  }
}
