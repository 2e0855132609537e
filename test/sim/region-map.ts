/** The write-intent map of a simulated store, and what is missed by replicas that are away: what native/src/store/region_map.h
 * and missed_map.h say, one byte per region or grain. */

export const GRAIN_BYTES = 64 << 10;

export interface RegionContent {
  size: number;
  bits: Uint8Array;
  damaged: boolean;
}
export interface MissedContent {
  since: number;
  bits: Uint8Array;
}

/** What one round writes: in this order. */
export interface Round {
  missedFile: { type: "keep" } | { type: "forget" } | { type: "new"; since: number };
  missed: Uint8Array | null;
  regions: Uint8Array | null;
}

export class RegionMap {
  private current: Uint8Array;
  private previous: Uint8Array;
  inherited: Uint8Array;
  /** what the file holds for certain */
  private durable: Uint8Array;
  private wanted = new Set<number>();
  private writing = new Set<number>();
  private image: Uint8Array | null = null;
  private stale = false;
  private epoch = 0;
  private ticket = 1;
  inheritCount = 0;
  private wantForgotten = false;
  // What others miss.
  since = 0;
  private grains: { current: Uint8Array; previous: Uint8Array; missed: Uint8Array };
  private missedDirty = false;
  private missedChange: Round["missedFile"] = { type: "keep" };

  constructor(
    readonly size: number,
    private readonly regionBytes: number,
  ) {
    const regions = Math.ceil(size / regionBytes);
    [this.current, this.previous, this.inherited, this.durable] = [0, 0, 0, 0].map(
      () => new Uint8Array(regions),
    ) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
    this.grains = this.noGrains();
  }

  private noGrains() {
    const count = Math.ceil(this.size / GRAIN_BYTES);
    return { current: new Uint8Array(count), previous: new Uint8Array(count), missed: new Uint8Array(count) };
  }

  load(regions: RegionContent, missed: MissedContent | null): void {
    copyInto(regions.bits, this.durable);
    copyInto(regions.bits, this.inherited);
    this.forgot();
    if (missed === null) return;
    this.since = missed.since;
    copyInto(missed.bits, this.grains.missed);
  }

  /** The same for the volume with another size. */
  resized(size: number): RegionMap {
    const map = new RegionMap(size, this.regionBytes);
    for (const key of ["current", "previous", "inherited", "durable"] as const) copyInto(this[key], map[key]);
    for (const key of ["current", "previous", "missed"] as const) copyInto(this.grains[key], map.grains[key]);
    Object.assign(map, {
      epoch: this.epoch,
      ticket: this.ticket,
      inheritCount: this.inheritCount,
      since: this.since,
    });
    map.missedDirty = this.missedDirty;
    map.stale = true;
    return map;
  }

  regionsContent(): RegionContent {
    return { size: this.size, bits: this.durable.slice(), damaged: false };
  }

  /** Whether every region is marked durably: write now. Else a round has to be made first. */
  covers(offset: number, length: number): boolean {
    const last = Math.floor((offset + length - 1) / this.regionBytes);
    let covered = true;
    for (let region = Math.floor(offset / this.regionBytes); region <= last; region++) {
      if (this.current[region] === 1) continue;
      if (this.durable[region] === 1) this.current[region] = 1;
      else {
        this.wanted.add(region);
        covered = false;
      }
    }
    if (!covered) return false;
    const lastGrain = Math.floor((offset + length - 1) / GRAIN_BYTES);
    for (let grain = Math.floor(offset / GRAIN_BYTES); grain <= lastGrain; grain++)
      this.grains.current[grain] = 1;
    return true;
  }

  get needsWrite(): boolean {
    return this.wanted.size > 0 || this.wantForgotten || this.missedChange.type !== "keep";
  }

  takeRound(): Round {
    const touched = this.stale || this.wanted.size > 0;
    this.stale = this.wantForgotten = false;
    this.writing = this.wanted;
    this.wanted = new Set();
    const missedFile = this.missedChange;
    this.missedChange = { type: "keep" };
    if (missedFile.type !== "keep") {
      this.since = missedFile.type === "new" ? missedFile.since : 0;
      this.grains.missed.fill(0);
      this.missedDirty = false;
    }
    const missed = this.missedDirty ? this.grains.missed.slice() : null;
    this.missedDirty = false;
    if (!touched) return { missedFile, missed, regions: null };
    const image = union(union(this.current, this.previous), this.inherited);
    for (const region of this.writing) image[region] = 1;
    for (const [region, bit] of image.entries()) if (bit === 0) this.durable[region] = 0;
    this.image = image;
    return { missedFile, missed, regions: image };
  }

  written(): void {
    if (this.image !== null) this.durable = this.image.slice();
    this.image = null;
    for (const region of this.writing) this.current[region] = 1;
    this.writing.clear();
  }

  startEpoch(epoch: number): void {
    if (epoch <= this.epoch) return;
    this.endEpoch();
    this.epoch = epoch;
    this.ticket++;
  }

  private endEpoch(): void {
    this.previous = union(this.previous, this.current);
    this.current.fill(0);
    this.grains.previous = union(this.grains.previous, this.grains.current);
    this.grains.current.fill(0);
  }

  /** Names what `settle` would forget now; 0: nothing. */
  settleTicket(epoch: number): number {
    return epoch !== 0 && epoch === this.epoch ? this.ticket : 0;
  }

  settle(ticket: number): boolean {
    if (ticket !== this.ticket) return false;
    this.previous.fill(0);
    this.settleGrains();
    this.forgot();
    return true;
  }

  private settleGrains(): void {
    if (this.since !== 0 && this.grains.previous.some((bit, i) => bit > (this.grains.missed[i] ?? 0))) {
      this.grains.missed = union(this.grains.missed, this.grains.previous);
      this.missedDirty = true;
    }
    this.grains.previous.fill(0);
  }

  inherit(): void {
    this.inherited = union(this.inherited, union(this.current, this.previous));
    this.endEpoch();
    this.previous.fill(0);
    this.settleGrains();
    this.epoch = 0;
    this.ticket++;
    this.inheritCount++;
  }

  forgetInherited(): void {
    if (this.since !== 0) {
      const perRegion = this.regionBytes / GRAIN_BYTES;
      for (const [region, bit] of this.inherited.entries()) {
        if (bit === 0) continue;
        this.grains.missed.fill(1, region * perRegion, (region + 1) * perRegion);
        this.missedDirty = true;
      }
    }
    this.inherited.fill(0);
    this.forgot();
  }

  /** For release, when no write is under way. @returns the ticket for `settle` after a flush */
  closeEpoch(): number {
    this.endEpoch();
    this.epoch = 0;
    return ++this.ticket;
  }

  /** Asks for a round that writes what was forgotten, even if no region waits for it. */
  wantWritten(): void {
    this.wantForgotten = this.stale || this.missedDirty;
  }

  private forgot(): void {
    for (let i = 0; i < this.durable.length; i++)
      if (this.durable[i] === 1 && this.current[i] !== 1 && this.previous[i] !== 1 && this.inherited[i] !== 1)
        this.stale = true;
  }

  trackMissed(since: number): void {
    this.missedChange = { type: "new", since };
  }

  forgetMissed(): void {
    this.missedChange = { type: "forget" };
  }

  get dirtyRegions(): number {
    let count = 0;
    for (let i = 0; i < this.current.length; i++)
      if (this.current[i] === 1 || this.previous[i] === 1 || this.inherited[i] === 1) count++;
    return count;
  }

  /** Grains changed since `since`, those of inherited regions among them. */
  missed(): Uint8Array {
    const all = union(union(this.grains.missed, this.grains.current), this.grains.previous);
    const perRegion = this.regionBytes / GRAIN_BYTES;
    for (const [region, bit] of this.inherited.entries())
      if (bit === 1) all.fill(1, region * perRegion, (region + 1) * perRegion);
    return all;
  }
}

function union(a: Uint8Array, b: Uint8Array): Uint8Array {
  const all = a.slice();
  for (let i = 0; i < b.length; i++) if (b[i] === 1) all[i] = 1;
  return all;
}

function copyInto(from: Uint8Array, to: Uint8Array): void {
  to.set(from.subarray(0, to.length));
}

/** One bit per byte of `bits`, LSB first. */
export function packed(bits: Uint8Array): Buffer {
  const bytes = Buffer.alloc(Math.ceil(bits.length / 8));
  for (let i = 0; i < bits.length; i++)
    if (bits[i] === 1) bytes[i >> 3] = (bytes[i >> 3] ?? 0) | (1 << (i & 7));
  return bytes;
}
