/** Stands in for `native/index.ts`, for the product's modules in the simulated world. */
import { diskOf, systemError } from "./disk.js";
import { inodeOf, newDescriptor } from "./fs.js";
import { newConnection } from "./net.js";
import { network, type Listener } from "./network.js";
import { BLOCK_BYTES } from "./sectors.js";
import { runningProcess, simulation, type Process } from "./simulation.js";
import { nativeError } from "./store.js";
import { sockets } from "./data-server.js";

export { crc32c, STATUS } from "../../native/index.js";
export { lockFile } from "./fs.js";
export { openStore } from "./store.js";
export { SimDataServer as DataServer } from "./data-server.js";
export { SimVolume as Volume } from "./volume.js";

/** Not part of the simulated world. */
const absent = (): never => {
  throw new Error("not simulated");
};
export { absent as sendFile, absent as Target, absent as listenUnix };

const EXTENTS_MAX = 1024;

/** Neighbours are joined. */
export function fileExtents(fd: number, begin: number, end: number): Promise<number[]> {
  const inode = inodeOf(fd);
  return simulation().answer(0.05, () => {
    const { length } = inode.text.content;
    if (length > 0) return begin < length ? [begin, Math.min(end, length) - begin] : [];
    const found: number[] = [];
    for (const block of [...inode.data.blocks.keys()].sort((a, b) => a - b)) {
      const from = Math.max(begin, block * BLOCK_BYTES);
      const to = Math.min(end, (block + 1) * BLOCK_BYTES);
      if (from >= to) continue;
      const last = found.length - 2;
      if (last >= 0 && (found[last] ?? 0) + (found[last + 1] ?? 0) === from)
        found[last + 1] = to - (found[last] ?? 0);
      else if (found.length === 2 * EXTENTS_MAX) break;
      else found.push(from, to - from);
    }
    return found;
  });
}

/** Of whole blocks. */
export function punchHole(fd: number, offset: number, length: number): Promise<void> {
  const { data } = inodeOf(fd);
  const disk = diskOf(`/${runningProcess()?.machine}/`);
  return simulation().answer(0.05, () => {
    disk.check("write", "a hole");
    for (const block of [...data.blocks.keys()])
      if (block * BLOCK_BYTES >= offset && (block + 1) * BLOCK_BYTES <= offset + length)
        data.set(block, null);
  });
}

/** Tells contents apart as a checksum does. */
export function hashFile(path: string): { checksum: Promise<string>; cancel: () => void } {
  const disk = diskOf(path);
  let cancelled = false;
  const checksum = simulation().answer(disk.syncMs(), () => {
    if (cancelled) throw nativeError("ABORTED", "hashing was cancelled");
    const inode = disk.names.get(path);
    disk.check("read", path);
    if (inode === undefined) throw systemError("ENOENT", path);
    const { blocks } = inode.data;
    let [high, low] = [0x811c9dc5, 0x1000193];
    for (const block of [...blocks.keys()].sort((a, b) => a - b)) {
      for (const [sector, value] of (blocks.get(block) ?? []).entries()) {
        if (value === 0) continue;
        high = Math.imul(high ^ value, 0x1000193) ^ (block * 8 + sector);
        low = Math.imul(low + value, 0x85ebca6b) ^ (high >>> 13);
      }
    }
    return [high, low].map((half) => (half >>> 0).toString(16).padStart(8, "0")).join("");
  });
  return { checksum, cancel: () => (cancelled = true) };
}

const PORT_FIRST = 20_000;
let lastPort = PORT_FIRST;

export function listenTcp(host: string, port: number): { fd: number; host: string; port: number } {
  const process = runningProcess() as Process;
  const bound = port === 0 ? ++lastPort : port;
  const listener = network().listen(process, bound, null);
  const fd = newDescriptor(null, () => network().unlisten(listener));
  sockets.set(fd, { listener, host });
  return { fd, host, port: bound };
}

/** Takes connections; nobody offers to send by frames here, so that all goes by requests. */
export class FileReceiver {
  private cancelled: (() => void) | null = null;

  constructor(fd: number, onConnection: (fd: number) => void) {
    const { listener } = sockets.get(fd) as { listener: Listener };
    listener.onConnection = (end) => onConnection(newConnection(end));
  }

  receive(): Promise<number> {
    return new Promise((_, reject) => {
      this.cancelled = () => reject(nativeError("ABORTED", "no sender came"));
    });
  }

  cancel(): void {
    this.cancelled?.();
    this.cancelled = null;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
