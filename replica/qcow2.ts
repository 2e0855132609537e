/**
 * A reader of qcow2 tables (qemu docs/interop/qcow2): where the bytes of a backing image lie, as they are or compressed by
 * zlib. No encryption, external data or backing chain: everything else is refused by name.
 * All numbers are big endian. The image is untrusted: every offset and size is bounded before it is used.
 */
import { promisify } from "node:util";
import { inflateRaw } from "node:zlib";
import type { LayerMap, LayerRun } from "../native/index.js";
import { QCOW2_CLUSTER_BITS_MAX, QCOW2_CLUSTER_BITS_MIN, QCOW2_L1_ENTRIES_MAX, QCOW2_RUNS_MAX } from "./limits.js"; // prettier-ignore
import { ReplicaError } from "./replica-error.js";

/** Reads exactly `length` bytes, or throws. */
export type ReadAt = (offset: number, length: number) => Promise<Buffer>;

export interface Qcow2Image {
  /** virtual size, bytes */
  size: number;
  /** allocated runs, ascending; what is not in it reads as zeros */
  map: LayerMap;
  /** bytes of a cluster: what a compressed one holds */
  clusterBytes: number;
}

export const QCOW2_MAGIC = 0x514649fb; // "QFI\xfb"

/** Bytes of the version 2 header, and of what version 3 adds up to header_length. */
const HEADER_BYTES_V2 = 72;
const HEADER_BYTES_V3 = 104;

/** Section "Additional fields". */
const COMPRESSION_TYPE_AT = 104;
const COMPRESSION_TYPES = ["zlib", "zstd"];

/** Section "Header", incompatible_features; the bits that do not hinder reading are absent. */
const FEATURE_DIRTY = 1n << 0n; // reference counts may be wrong: they are not used for reading
const FEATURE_COMPRESSION_TYPE = 1n << 3n; // another one than zlib
const FEATURES_REFUSED: [bit: bigint, name: string][] = [
  [1n << 1n, "is marked corrupt"],
  [1n << 2n, "has an external data file"],
  [1n << 4n, "has extended L2 entries"],
];

/** Sections "L1 table entry" and "L2 table entry". */
const OFFSET_MASK = 0x00ff_ffff_ffff_fe00n;
const L2_COMPRESSED = 1n << 62n;
const L2_ZERO = 1n;

/** Section "Compressed Clusters Descriptor": what its count of sectors counts, bytes. */
const SECTOR_BYTES = 512;

interface Header {
  version: number;
  clusterBits: number;
  size: number;
  l1Entries: number;
  l1Offset: number;
}

/** @param fileSize bytes
 * @throws {ReplicaError} `DAMAGED`, `UNSUPPORTED`, naming `path` */
export async function readQcow2(readAt: ReadAt, fileSize: number, path: string): Promise<Qcow2Image> {
  const damaged = (text: string) => new ReplicaError("DAMAGED", `${path} is a damaged qcow2 image: ${text}`);
  const refused = (text: string) => new ReplicaError("UNSUPPORTED", `${path}: the qcow2 image ${text}; convert it with: qemu-img convert -O qcow2 ${path} NEW`); // prettier-ignore
  const read = (offset: number, length: number, what: string): Promise<Buffer> => {
    if (offset + length > fileSize) throw damaged(`${what} lies beyond the end of the file`);
    return readAt(offset, length);
  };

  const header = await parseHeader(read, fileSize, damaged, refused);
  const clusterBytes = 1 << header.clusterBits;
  const l2Entries = clusterBytes / 8;
  const l1 = await read(header.l1Offset, header.l1Entries * 8, "the L1 table");
  const runs = new Runs(() => refused(`has more than ${QCOW2_RUNS_MAX} separate runs`));

  const tablesNeeded = Math.ceil(header.size / (clusterBytes * l2Entries));
  for (let table = 0; table < tablesNeeded; table++) {
    const l2Offset = Number(l1.readBigUInt64BE(table * 8) & OFFSET_MASK);
    if (l2Offset === 0) continue;
    if (l2Offset % clusterBytes !== 0) throw damaged(`L2 table ${table} is not aligned`);
    const l2 = await read(l2Offset, clusterBytes, `L2 table ${table}`);
    for (let index = 0; index < l2Entries; index++) {
      const offset = (table * l2Entries + index) * clusterBytes;
      if (offset >= header.size) break;
      const entry = l2.readBigUInt64BE(index * 8);
      // The last cluster may be cut short by either end; what the file lacks reads as zeros.
      const length = Math.min(clusterBytes, header.size - offset);
      if (entry & L2_COMPRESSED) {
        const { at, bytes } = compressedCluster(entry, header.clusterBits);
        if (at >= fileSize)
          throw damaged(`the compressed cluster of offset ${offset} lies beyond the end of the file`);
        runs.addCompressed(offset, length, at, Math.min(bytes, fileSize - at));
        continue;
      }
      if (header.version >= 3 && entry & L2_ZERO) continue;
      const at = Number(entry & OFFSET_MASK);
      if (at === 0) continue;
      if (at % clusterBytes !== 0) throw damaged(`the cluster of offset ${offset} is not aligned`);
      if (at >= fileSize) throw damaged(`the cluster of offset ${offset} lies beyond the end of the file`);
      runs.add(offset, Math.min(length, fileSize - at), at);
    }
  }
  return { size: header.size, map: runs.map, clusterBytes };
}

/** Section "Compressed Clusters Descriptor".
 * @returns the bytes of the file in which it lies, two clusters at most: its data end somewhere in the last sector */
function compressedCluster(entry: bigint, clusterBits: number): { at: number; bytes: number } {
  const sectorBits = BigInt(clusterBits - 8);
  const offsetBits = 62n - sectorBits;
  const at = Number(BigInt.asUintN(Number(offsetBits), entry));
  const moreSectors = Number(BigInt.asUintN(Number(sectorBits), entry >> offsetBits));
  return { at, bytes: (moreSectors + 1) * SECTOR_BYTES - (at % SECTOR_BYTES) };
}

/** What a compressed cluster holds. What follows its data is not looked at.
 * @param compressed that many bytes of the file as the map says
 * @throws {ReplicaError} `DAMAGED`, naming `path`: it is no deflate stream (RFC 1951), or not of one cluster */
export async function inflateCluster(
  compressed: Buffer,
  clusterBytes: number,
  path: string,
): Promise<Buffer> {
  const cluster = await inflate(compressed, { maxOutputLength: clusterBytes }).catch((): null => null);
  if (cluster?.length !== clusterBytes)
    throw new ReplicaError("DAMAGED", `${path}: a compressed cluster is damaged`);
  return cluster;
}

const inflate = promisify(inflateRaw);

async function parseHeader(
  read: (offset: number, length: number, what: string) => Promise<Buffer>,
  fileSize: number,
  damaged: (text: string) => ReplicaError,
  refused: (text: string) => ReplicaError,
): Promise<Header> {
  const start = await read(0, HEADER_BYTES_V2, "the header");
  if (start.readUInt32BE(0) !== QCOW2_MAGIC) throw damaged("the magic is missing");
  const version = start.readUInt32BE(4);
  if (version !== 2 && version !== 3) throw refused(`has version ${version}`);
  if (version === 3) {
    const rest = await read(HEADER_BYTES_V2, HEADER_BYTES_V3 - HEADER_BYTES_V2, "the header");
    const features = rest.readBigUInt64BE(0);
    checkFeatures(features, refused);
    const headerLength = rest.readUInt32BE(28);
    if (headerLength < HEADER_BYTES_V3) throw damaged(`header_length is ${headerLength}`);
    if (features & FEATURE_COMPRESSION_TYPE) {
      if (headerLength <= COMPRESSION_TYPE_AT) throw damaged("the compression type is missing");
      const type = (await read(COMPRESSION_TYPE_AT, 1, "the header")).readUInt8(0);
      throw refused(`has the compression type ${type} (${COMPRESSION_TYPES[type] ?? "unknown"})`);
    }
  }
  if (start.readBigUInt64BE(8) !== 0n) throw refused("has a backing file of its own");
  if (start.readUInt32BE(32) !== 0) throw refused("is encrypted");

  const clusterBits = start.readUInt32BE(20);
  if (clusterBits < QCOW2_CLUSTER_BITS_MIN || clusterBits > QCOW2_CLUSTER_BITS_MAX) {
    throw damaged(`cluster_bits is ${clusterBits}`);
  }
  const clusterBytes = 2 ** clusterBits;
  const size = Number(start.readBigUInt64BE(24));
  if (!Number.isSafeInteger(size)) throw damaged(`the virtual size is ${size}`);
  const l1Entries = start.readUInt32BE(36);
  const tablesNeeded = Math.ceil(size / (clusterBytes * (clusterBytes / 8)));
  if (l1Entries > QCOW2_L1_ENTRIES_MAX) throw refused(`has an L1 table of ${l1Entries} entries`);
  if (l1Entries < tablesNeeded)
    throw damaged(`the L1 table has ${l1Entries} entries, ${tablesNeeded} are needed`);
  const l1Offset = Number(start.readBigUInt64BE(40));
  if (l1Entries > 0 && (l1Offset % clusterBytes !== 0 || l1Offset === 0 || l1Offset >= fileSize)) {
    throw damaged(`the L1 table is at ${l1Offset}`);
  }
  return { version, clusterBits, size, l1Entries, l1Offset };
}

function checkFeatures(features: bigint, refused: (text: string) => ReplicaError): void {
  for (const [bit, name] of FEATURES_REFUSED) if (features & bit) throw refused(name);
  const known = FEATURES_REFUSED.reduce((all, [bit]) => all | bit, FEATURE_DIRTY | FEATURE_COMPRESSION_TYPE);
  if (features & ~known) throw refused(`has unknown incompatible features (0x${features.toString(16)})`);
}

/** Joins clusters that lie beside each other on both sides. */
class Runs {
  readonly map: LayerMap = [];

  constructor(private readonly tooMany: () => ReplicaError) {}

  add(offset: number, length: number, at: number): void {
    const last = this.map.at(-1);
    if (last !== undefined && last.length === 3 && last[0] + last[1] === offset && last[2] + last[1] === at) {
      last[1] += length;
      return;
    }
    this.#push([offset, length, at]);
  }

  addCompressed(offset: number, length: number, at: number, compressed: number): void {
    this.#push([offset, length, at, compressed]);
  }

  #push(run: LayerRun): void {
    if (this.map.length === QCOW2_RUNS_MAX) throw this.tooMany();
    this.map.push(run);
  }
}
