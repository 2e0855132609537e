/** A replica in memory: one plain array, and which 4 KiB blocks of it are allocated. */
import type { Extent } from "../../proto/dataplane.js";
import type { StreamBackend } from "../../proto/stream-backend.js";

const BLOCK_BYTES = 4096;

export class MemoryBackend implements StreamBackend {
  readonly content: Uint8Array;
  private readonly allocated: Uint8Array;
  flushes = 0;

  constructor(readonly size: number) {
    this.content = new Uint8Array(size);
    this.allocated = new Uint8Array(Math.ceil(size / BLOCK_BYTES));
  }

  read(offset: number, length: number): Promise<Uint8Array> {
    return Promise.resolve(this.content.slice(offset, offset + length));
  }

  write(offset: number, data: Uint8Array): Promise<void> {
    this.content.set(data, offset);
    this.allocate(offset, data.length);
    return Promise.resolve();
  }

  flush(): Promise<void> {
    this.flushes++;
    return Promise.resolve();
  }

  unmap(offset: number, length: number): Promise<void> {
    this.content.fill(0, offset, offset + length);
    this.allocated.fill(0, Math.ceil(offset / BLOCK_BYTES), Math.floor((offset + length) / BLOCK_BYTES));
    return Promise.resolve();
  }

  writeZeroes(offset: number, length: number): Promise<void> {
    this.content.fill(0, offset, offset + length);
    this.allocate(offset, length);
    return Promise.resolve();
  }

  extents(offset: number, length: number): Promise<Extent[]> {
    const extents: Extent[] = [];
    for (let at = offset; at < offset + length;) {
      const end = Math.min(offset + length, (Math.floor(at / BLOCK_BYTES) + 1) * BLOCK_BYTES);
      const last = extents.at(-1);
      if (this.allocated[Math.floor(at / BLOCK_BYTES)] === 1) {
        if (last !== undefined && last.offset + last.length === at) last.length += end - at;
        else extents.push({ offset: at, length: end - at });
      }
      at = end;
    }
    return Promise.resolve(extents);
  }

  private allocate(offset: number, length: number): void {
    this.allocated.fill(1, Math.floor(offset / BLOCK_BYTES), Math.ceil((offset + length) / BLOCK_BYTES));
  }
}
