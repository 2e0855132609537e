/**
 * The addon's whole surface, in the order of `src/bindings/addon.cc`. Nothing else loads it.
 *
 * Everything that happens per I/O happens on the addon's own threads; JavaScript hears of what is rare through one
 * callback per object, and of the end of a call through a promise. Every `close()` is idempotent, waits for what is in
 * flight, and is also done when the environment (process or worker) ends. A call on a closed object rejects with
 * `code: "CLOSED"`. Offsets and lengths are bytes, times are milliseconds. Errors are `NativeError`.
 */
import { createRequire } from "node:module";

/** How an operation ended; 0 to 7 are the numbers of `proto/dataplane.proto`, the rest never leave the process. */
export const STATUS = {
  OK: 0,
  IO_ERROR: 1,
  NO_SPACE: 2,
  OUT_OF_RANGE: 3,
  CHECKSUM_MISMATCH: 4,
  FENCED: 5,
  INVALID: 6,
  NOT_OPEN: 7,
  MISCOMPARE: 8,
  ABORTED: 9,
  DISCONNECTED: 10,
} as const;
export type StatusName = keyof typeof STATUS;

/** What promises of this module reject with. `errno` is there when the operating system refused, `slot` when the answer of
 * one slot ended a `copy`. */
export interface NativeError extends Error {
  code: StatusName | "CLOSED" | "BAD_ARGUMENT";
  errno?: number;
  slot?: number;
}

// ---------------------------------------------------------------------------------------------- functions

/** CRC32C (RFC 7143 §13.1), by CPU instruction where there is one. `seed` continues an earlier result. */
export type Crc32c = (data: Uint8Array, seed?: number) => number;

/** Takes an exclusive lock (`flock`) on an open file; false when somebody else holds it. Freed with the descriptor. */
export type LockFile = (fd: number) => boolean;

/** The first extents of a file that touch `[begin, end)`, cut to it: `[offset, length, offset, length, ...]`, ascending, 1024 at
 * most; neighbours are not joined, and unwritten ones count. Empty: there are none from `begin` on.
 * @param sync data that have no extent yet (delayed allocation) are written out first
 * @throws {NativeError} `IO_ERROR`: `file extent is unsupported` where the file system cannot tell */
export type FileExtents = (fd: number, begin: number, end: number, sync: boolean) => Promise<number[]>;

/** Makes a range of a file a hole; its size stays. @param length > 0 */
export type PunchHole = (fd: number, offset: number, length: number) => Promise<void>;

/** Computes the CRC-64 (ISO) of a whole file, holes included, on a thread of its own and, where that is possible, past the
 * page cache; holes cost nothing.
 * @returns `checksum`: 16 hexadecimal digits; rejects with `ABORTED` after `cancel()` */
export type HashFile = (path: string) => { checksum: Promise<string>; cancel: () => void };

/** A listening TCP socket that nobody accepts from yet: whoever connects waits. Close it with `closeSync(fd)`.
 * @param port 0: one that is free
 * @returns the address bound
 * @throws {NativeError} `BAD_ARGUMENT`: no such host; `IO_ERROR` */
export type ListenTcp = (host: string, port: number) => { fd: number; host: string; port: number };

/** The same at a unix socket, to whose file only its owner may connect. What a process has left there that has ended is replaced, a
 * socket that is served and any other file are not. The file stays when the socket is closed.
 * @returns its descriptor
 * @throws {NativeError} `IO_ERROR`, whose message says what is there */
export type ListenUnix = (path: string) => number;

// ---------------------------------------------------------------------------------------------- Volume

export interface VolumeOptions {
  /** bytes; a multiple of 512 */
  size: number;
  /** how long one operation may go unanswered by a replica before a `timeout` event names it */
  replicaTimeoutMs: number;
}

export interface Hello {
  volume: string;
  replicaId: string;
  engineId: string;
  generation: number;
}

export interface HelloReply {
  size: number;
  maxRequests: number;
  maxPayload: number;
  maxPayloadInFlight: number;
}

/** `RW`: read and written; `WO`: written only; `OFF`: not part of the volume. Default `OFF`. */
export type SlotMode = "RW" | "WO" | "OFF";

/** What a replica did not do well. */
export type SlotEvent =
  /** The stream of `slot` ended. Its operations are held until `connect` succeeds again or `setMode(slot, "OFF")`. */
  | { type: "disconnected"; slot: number; reason: string }
  /** A replica answered `status`. The operation is held until `setMode(slot, "OFF")` or `failHeld(slot, ...)`. */
  | {
      type: "failed";
      slot: number;
      status: StatusName;
      message: string;
      op: OperationKind;
      offset: number;
      length: number;
    }
  /** The oldest unanswered operation of `slot` is older than `replicaTimeoutMs`. Once until the slot answers again. */
  | { type: "timeout"; slot: number; op: OperationKind; offset: number; length: number; elapsedMs: number };

export type VolumeEvent =
  | SlotEvent
  /** An unmap waits because of `watchUnmaps`; once for all that wait at a time. */
  | { type: "unmapsWaiting" }
  /** What reads there waits because of `holdReads`; once for each that begins to. */
  | { type: "readWaits"; offset: number; length: number };

export type OperationKind =
  | "read" | "write" | "flush" | "unmap" | "writeZeroes" | "compareAndWrite" | "orWrite" | "copy" | "extents"; // prettier-ignore

export interface SlotStats {
  connected: boolean;
  mode: SlotMode;
  inFlight: number;
  held: number;
  /** a timeout was reported, and nothing was answered since */
  timedOut: boolean;
  crcErrors: number;
}

export interface OperationLatency {
  /** how many there were by how long they took: `[below, count, below, count, ...]`, ascending in microseconds, a quarter
   * apart; nothing where none were */
  counts: number[];
  /** us that all of them took, summed up */
  sumMicros: number;
}

export interface VolumeStats {
  reads: number;
  writes: number;
  flushes: number;
  unmaps: number;
  readBytes: number;
  writtenBytes: number;
  /** us that these reads and writes took, summed up */
  readMicros: number;
  writeMicros: number;
  /** answered with an error */
  failed: number;
  inFlight: number;
  /** ranges in which copies may differ, since a change has failed on some of them, and was not undone by `copy` yet */
  differing: number;
  /** of operations that named no slot */
  latency: Record<"read" | "write" | "flush" | "unmap", OperationLatency>;
  slots: SlotStats[];
}

/**
 * The fan-out: one data stream per replica slot (0 to 15), the order of overlapping operations, the count of
 * acknowledgements. It holds what it cannot finish and says so; the owner decides. Owns the I/O thread that `Target` uses.
 *
 * Operations that name a slot (and `copy`) are never held: an error answer rejects them with its status and without an
 * event, the end of the slot's stream with `DISCONNECTED`.
 */
export interface Volume {
  /** Connects (or reconnects) a slot and sends HELLO. After a reconnect, held operations are sent again before new ones.
   * HELLO has to be answered within `replicaTimeoutMs`.
   * @param host a name or an address, or the absolute path of a unix socket, whose port is 0
   * @throws {NativeError} `DISCONNECTED`, or the status that the replica answered HELLO with */
  connect(slot: number, host: string, port: number, hello: Hello): Promise<HelloReply>;
  /** The same to a replica that speaks Longhorn's data protocol (`native/src/stream/longhorn_client.h`). It has no flush: one is
   * answered when every change before it is, and FUA means nothing. It tells nothing of allocation: all counts as allocated.
   * @param unmapZeroes nothing lies below its head, so that what is unmapped reads as zeroes for good; else what does not read
   * as zeroes is overwritten
   * @throws {NativeError} `DISCONNECTED`; `NOT_OPEN` when its answer to a ping is an error */
  connectLonghorn(slot: number, host: string, port: number, unmapZeroes: boolean): Promise<HelloReply>;
  /** Of a slot that `connectLonghorn` has connected. To be said before something comes to lie below its head. */
  setUnmapZeroes(slot: number, unmapZeroes: boolean): Promise<void>;
  /** `OFF` also closes the stream; operations waiting for the slot go on without it. With no RW slot left, writes and reads
   * are held (a later `RW` releases them) until `failHeld`. A slot that joins also gets the writes under way; what a slot
   * that is not RW any more still reads is read again elsewhere. Resolves when the I/O thread has done it. */
  setMode(slot: number, mode: SlotMode): Promise<void>;
  /** Answers with `status` every operation that `slot` has answered with an error (`null`: that is held for want of any RW slot, or
   * of a lease). What waits for its stream may still be done, so it is only answered after `refuse`. Until copies are made equal
   * (`copy`) where a write failed, nothing is settled. */
  failHeld(slot: number | null, status: StatusName): Promise<number>;
  /** From now on every new operation is answered with `status` at once, and so is what is held back now (`quiesce`, or too much
   * in flight); `null` ends that. */
  refuse(status: StatusName | null): Promise<void>;
  /** The replicas have become larger. A target on this volume has the new capacity from then on.
   * @param size bytes, a multiple of 512, not less than before */
  grow(size: number): Promise<void>;

  /** Reads from one given slot, whatever its mode, or (`null`) from any RW slot. */
  read(slot: number | null, offset: number, length: number): Promise<Buffer>;
  /** Writes to one given slot or (`null`) to all RW and WO slots. `data` is not modified and must not be until the end. */
  write(slot: number | null, offset: number, data: Uint8Array, options?: { fua?: boolean }): Promise<void>;
  unmap(slot: number | null, offset: number, length: number): Promise<void>;
  writeZeroes(slot: number | null, offset: number, length: number): Promise<void>;
  flush(slot: number | null): Promise<void>;
  /** Allocated runs `[offset, length, offset, length, ...]` of the range in any layer. */
  extents(slot: number | null, offset: number, length: number): Promise<number[]>;
  /** Makes `[offset, offset+length)` of slot `to` equal to slot `from`, while no write may touch it. Whatever waits for others
   * there, reads as well, waits for it.
   * @returns bytes that differed and were written; compares 4 KiB blocks */
  copy(from: number, to: number, offset: number, length: number): Promise<number>;
  /** One round of write-intent settlement (ARCHITECTURE.md "write intent"): mark, wait for writes in flight, flush, settle.
   * @throws {NativeError} `ABORTED` when a slot is not connected, disconnects or changes its mode, or when a round is under
   *   way; the status that a replica answered a flush with (a `failed` event tells which) */
  settle(): Promise<void>;

  /** Whether unmaps that name no slot wait, each with its range: other I/O goes on. Those that wait go on when this ends, and
   * when the volume is quiesced: what is done to it may come before what they wait for. */
  watchUnmaps(on: boolean): Promise<void>;
  /** What reads in `ranges` (`[offset, length, ...]`, ascending, without overlaps) and names no slot waits until the WO slot `slot` has been made
   * equal there by `copy`, each range as a whole, or has another mode; or until the slot to copy from has answered with `IO_ERROR`. Nothing
   * for any other slot. */
  holdReads(slot: number, ranges: number[]): Promise<void>;
  /** Whole ms that have passed on this machine, those in which it slept as well: what `leaseReads` goes by. */
  clock(): number;
  /** Until when (of `clock`) what is read counts; `null`: for good, as at the beginning. What a slot answers later to an operation that
   * names none is held until this is called again, or `failHeld(null, ...)`: looked at when it is answered, so that a process that was
   * stopped meanwhile does not tell what may be old. Resolves when the I/O thread has taken it in. */
  leaseReads(until: number | null): Promise<void>;
  /** Stops admitting operations and resolves when none is in flight. Nested calls count. */
  quiesce(): Promise<void>;
  resume(): Promise<void>;

  /** Serves the volume over Longhorn's data protocol at a unix socket, one at a time. Every write and unmap that it answers
   * is durable: the protocol has no flush.
   * @param path as in `listenUnix`
   * @param onEnded told why a connection has ended
   * @throws {NativeError} `BAD_ARGUMENT`, `IO_ERROR` with `errno` */
  openSocket(path: string, onEnded: (reason: string) => void): Promise<void>;
  /** Closes it and its connections; resolves when none of their requests can touch the volume any more. Idempotent. */
  closeSocket(): Promise<void>;
  stats(): VolumeStats;
  close(): Promise<void>;
}

// ---------------------------------------------------------------------------------------------- Target

export interface TargetOptions {
  /** 512 or 4096 */
  logicalBlockSize: number;
  /** commands a session may have open beyond ExpCmdSN: MaxCmdSN = ExpCmdSN + window - 1 */
  commandWindow: number;
  /** a connection that is silent this long gets a NOP-In ping; 0 switches pings off */
  nopIntervalMs: number;
  /** a connection that does not answer the ping this long is closed */
  nopTimeoutMs: number;
  /** a connection that has not reached full feature phase by then is closed */
  loginTimeoutMs: number;
  connectionsMax: number;
}

/** What C++ needs of a session's negotiated keys (RFC 7143 §13), and whose session it is. */
export interface SessionParameters {
  /** chosen by the caller, > 0; the I_T nexus. 0 marks a discovery session (no SCSI commands are taken) */
  nexus: number;
  headerDigest: boolean;
  dataDigest: boolean;
  /** what the initiator declared: the longest data segment it takes */
  maxSendDataSegmentLength: number;
  /** what we declared: the longest data segment we take */
  maxRecvDataSegmentLength: number;
  maxBurstLength: number;
  firstBurstLength: number;
  initialR2T: boolean;
  immediateData: boolean;
  maxOutstandingR2T: number;
  /** first CmdSN of full feature phase (the ExpCmdSN of the last Login Response) */
  expCmdSn: number;
  /** StatSN of the first response in full feature phase */
  statSn: number;
  /** which logical units commands may name; others go to JavaScript */
  lun: number;
}

/** What a nexus may do without asking JavaScript. A data command that may not is delivered as a `command` event. */
export interface NexusAccess {
  read: boolean;
  write: boolean;
  /** a unit attention is pending: every command is delivered as a `command` event */
  attention: boolean;
}

export type TargetEvent =
  | { type: "connected"; connection: number; remote: string; local: string }
  /** Login Requests; in full feature phase Text Requests, Logout Requests and task management requests, in CmdSN order. */
  | { type: "pdu"; connection: number; nexus: number; bhs: Buffer; data: Buffer }
  /** A SCSI command that is not served in C++, with all of its data-out. Ends with `complete`. */
  | {
      type: "command";
      connection: number;
      nexus: number;
      task: number;
      lun: number;
      cdb: Buffer;
      dataOut: Buffer | null;
    }
  | { type: "disconnected"; connection: number; nexus: number; reason: string };

/** Which tasks to abort. Absent keys match all. `exceptNexus` keeps those of one nexus. */
export interface TaskFilter {
  nexus?: number;
  exceptNexus?: number;
  /** initiator task tag; only together with `nexus` */
  itt?: number;
  /** of that nexus only what came before its request with that CmdSN */
  before?: { nexus: number; cmdSn: number };
}

export interface SessionStats {
  connection: number;
  nexus: number;
  remote: string;
  commands: number;
  openTasks: number;
}

/** The iSCSI target of one volume: PDU framing, digests, command window, data transfer, SCSI data commands. */
export interface Target {
  /** @returns the address bound (a port 0 is replaced by the port that was free) */
  listen(host: string, port: number): Promise<{ host: string; port: number }>;
  /** Stops accepting connections; the present ones go on. */
  stopListening(): Promise<void>;
  /** Sends a PDU. In full feature phase C++ fills StatSN (unless `bhs[0]` is Async Message or NOP-In: also), ExpCmdSN and
   * MaxCmdSN (bytes 24 to 35), and the lengths; in login phase the caller fills all but DataSegmentLength.
   * `then`: `continue`; `fullFeature` switches phase after this PDU; `close` closes once it is sent. Unknown connections are ignored. */
  send(connection: number, bhs: Uint8Array, data: Uint8Array | null, then: "continue" | "fullFeature" | "close", session?: SessionParameters): void; // prettier-ignore
  /** Ends a `command`: SCSI status, sense data (with CHECK CONDITION) and data-in, which is cut to the expected length.
   * C++ does residuals, segmentation and phase collapse. Unknown (aborted, gone) tasks are ignored. */
  complete(task: number, status: number, sense: Uint8Array | null, dataIn: Uint8Array | null): void;
  /** Gives a `command` back to C++, to be executed without further checks (reservation passed). */
  execute(task: number): void;
  setAccess(nexus: number, access: NexusAccess): void;
  /** The software write protection of the control mode page: writes are delivered as `command` events. */
  setWriteProtected(on: boolean): void;
  /** Aborts tasks without response; resolves with their number when none of them can touch the medium any more. */
  abort(filter: TaskFilter): Promise<number>;
  /** Closes a connection and aborts its tasks; resolves when none can touch the medium any more. */
  closeConnection(connection: number, reason: string): Promise<void>;
  sessions(): SessionStats[];
  close(): Promise<void>;
}

// ---------------------------------------------------------------------------------------------- ReplicaStore

/** A run of a mapped layer's bytes. With `compressed`, that many bytes of the file are one cluster (raw deflate, RFC 1951), of which
 * the run is the beginning. */
export type LayerRun = [offsetInVolume: number, length: number, offsetInFile: number, compressed?: number];

/** Where a mapped layer's bytes lie, ascending. */
export type LayerMap = LayerRun[];

export interface Layer {
  path: string;
  /** a plain sparse file (absent), or a file whose content lies elsewhere (a backing file in qcow2) */
  map?: LayerMap;
  /** bytes of each compressed cluster when it is decompressed; absent: none is compressed */
  clusterBytes?: number;
}

export interface ChainOptions {
  /** bottom first; the last one is the head, opened for writing. The others are written by `mergeLayers`, and holes are
   * punched into them by `pruneLayer` and in what `setRemovedLayers` names. Nothing else ever changes them. */
  layers: Layer[];
  /** the lowest layer is a backing file: what it does not hold reads as zeros and cannot be unmapped */
  backing: boolean;
  /** bytes */
  size: number;
}

export interface StoreOptions extends ChainOptions {
  /** `writeback`: page cache; `none`: O_DIRECT */
  cache: "writeback" | "none";
  /** the write-intent map, created when absent, made to fit when the volume had another size */
  regionMapPath: string;
  /** what replicas that are away miss; made by `trackMissed`. Absent: that is refused */
  missedMapPath?: string;
  /** which zeros of the head are meant, made when there is none of this head. Absent: that is not told, and nothing is dropped */
  zeroMapPath?: string;
  /** what was written, and was not durable, is gone: the machine was restarted since, or the disk away. Then what the head has for
   * writes that never reached it is dropped, where a lower layer shows the old content; absent: false */
  pageCacheLost?: boolean;
  /** bytes per region, a power of two */
  regionSize: number;
  /** threads for reads that miss the page cache and for `none` */
  ioThreads: number;
}

export interface StoreStats {
  reads: number;
  /** with writes of zeroes and unmaps: those that were begun */
  writes: number;
  /** those of them that succeeded */
  changes: number;
  flushes: number;
  syncs: number;
  /** extra synchronous writes of the region map */
  regionMapWrites: number;
  /** blocks of the region map that were unreadable at open: all their regions count as inherited */
  damagedMapBlocks: number;
  /** regions that may differ: inherited and present */
  dirtyRegions: number;
  indexBytes: number;
  allocatedBytes: number;
  /** of the head, dropped at open: see `pageCacheLost` */
  interruptedBytes: number;
}

/** How far a long work is, and how far it has to go: bytes. */
export type OnProgress = (doneBytes: number, totalBytes: number) => void;

/**
 * One replica's data: a chain of sparse files read through an extent index, the head written; the write-intent map.
 *
 * Its chain changes while I/O goes on. To put another chain in place (a snapshot, an expansion, a revert, a reload):
 * 1. make the new files (the head empty, sparse, of the volume's size, synced), then `prepareHead` or `prepareLayers`;
 * 2. `holdChanges`; make `volume.meta` and the metas durable; `switchLayers`; `resumeChanges`. A crash in between finds the
 *    old chain or the new one, and no write in a head that it would not find. If the metadata cannot be written,
 *    `resumeChanges` alone forgets what was prepared.
 * 3. For a snapshot that is whole wherever it is there after a power cut: `flush` while changes are held, before the metadata are
 *    durable. A FLUSH syncs former heads as well.
 *
 * Layers are named by their paths. Except where noted, a call that does not fit the present chain rejects with `INVALID`,
 * and after any failure the chain is as it was. The owner of the store does one of these things after the other.
 */
export interface ReplicaStore {
  read(offset: number, length: number): Promise<Buffer>;
  write(offset: number, data: Uint8Array, options?: { fua?: boolean }): Promise<void>;
  unmap(offset: number, length: number): Promise<void>;
  writeZeroes(offset: number, length: number): Promise<void>;
  flush(): Promise<void>;
  extents(offset: number, length: number): Promise<number[]>;
  /** Regions set before `inherit` was last called (at open: all that the file held). Bit i, LSB first, is region i. */
  inheritedRegions(): Buffer;
  /** Moves present regions to the inherited ones: a new engine took over. */
  inherit(): Promise<void>;
  /** Forgets inherited regions: copies agree. */
  agreed(): Promise<void>;
  /** Flushes, then forgets all regions. */
  release(): Promise<void>;
  /** Writes what inherited regions hold once more, into the files that hold it, and makes it durable. After a sync that
   * failed: what it dropped reads well from the page cache, and no later sync would write it. Nothing may be changed
   * meanwhile. */
  rewrite(): Promise<void>;
  /** Keeps durably what changes from now on, for replicas that are away; forgets what was missed before. What is not
   * settled yet, and what is inherited, counts as changed. `NO_SPACE`: nothing is kept then, and all else goes on.
   * @param since generation that the map is complete from, > 0 */
  trackMissed(since: number): Promise<void>;
  /** Ends that. */
  forgetMissed(): Promise<void>;
  /** What changed, or more; null when it is not tracked (or the file of it was damaged). */
  missed(): Promise<MissedGrains | null>;

  /** Holds writes, unmaps and zeroes back; resolves when none is under way (a long unmap stops half way and goes on later).
   * Reads and flushes go on. What waits is answered with `NOT_OPEN` when the store closes.
   * @param flush what was changed is durable then as well; where that fails, changes are held all the same */
  holdChanges(flush?: boolean): Promise<void>;
  /** Lets held changes go on, and forgets what was prepared and not switched to. */
  resumeChanges(): void;
  /** Opens `path`, an empty file, to become the head over the present chain. `size`: the volume's new size, not less than
   * the present one and not more than the file has. The write-intent map is made large enough for it, and stays so; where that
   * fails all is as it was, unless `IO_ERROR` and `onFatal` say that nobody knows. */
  prepareHead(path: string, size: number): Promise<void>;
  /** Opens another chain and loads its extents. Its head may be the present one; other than that nobody may write to its
   * files before the switch. Not while layers are merged or pruned. */
  prepareLayers(options: ChainOptions): Promise<void>;
  /** While changes are held: goes on with what was prepared. Layers of another size: `IO_ERROR` when the write-intent map cannot be
   * made to fit, and the store is of no use then (as `onFatal` says) until it is opened anew. Forgets the removed layers. */
  switchLayers(): Promise<void>;
  /** Names the layers directly behind the head, in any order, that are marked as removed and have one child: unmap punches
   * them too, so that space returns where nothing that is kept holds a block. `[]`: none, as at open. */
  setRemovedLayers(paths: string[]): Promise<void>;
  /** Goes on with a layer behind the head by its new name; `to` has to be the same file. */
  renameLayer(from: string, to: string): Promise<void>;
  /** Longhorn's coalesce: copies what the snapshot `upper` holds into the file of `lower`, the layer directly below it, which is
   * marked as removed and has no other child. When it resolves, all is durable, the chain has one layer less, and what both
   * held is read from `lower`'s file, still under that name: now `upper`'s file may go and its name be given to it
   * (`renameLayer`). Unmap does not punch it before it is named as removed: while `upper`'s file is there, it would be read again
   * after the next open. When it rejects, `lower` may hold some of it, which `upper` hides. */
  mergeLayers(lower: string, upper: string, onProgress: OnProgress): Promise<void>;
  /** Longhorn's prune: punches holes into the layer directly below the head, marked as removed and without other children,
   * wherever the head holds a block. */
  pruneLayer(path: string, onProgress: OnProgress): Promise<void>;

  stats(): StoreStats;
  close(): Promise<void>;
}

export interface MissedGrains {
  /** generation that the map is complete from */
  since: number;
  /** bytes per bit */
  grain: number;
  /** bit i, LSB first, is grain i */
  bitmap: Buffer;
}

// ---------------------------------------------------------------------------------------------- DataServer

export type DataServerEvent =
  /** The first message of a stream. Answer with `accept` or `reject`; nothing else of the stream is looked at before. */
  | { type: "hello"; stream: number; protocolVersion: number; hello: Hello; remote: string }
  /** A connection that speaks Longhorn's data protocol, which says nothing of who it is. Answered likewise; it has no
   * flush, and `fence` closes it for whichever engine. */
  | { type: "dataconn"; stream: number; remote: string }
  /** `stream` is 0 for a connection that never had one, such as a peer that does not speak HTTP/2. */
  | { type: "closed"; stream: number; reason: string };

export interface DataServerOptions {
  maxRequests: number;
  maxPayload: number;
  maxPayloadInFlight: number;
  connectionsMax: number;
}

/** The replica's end of the data plane: gRPC over HTTP/2 (cleartext, prior knowledge), served from a `ReplicaStore`. */
export interface DataServer {
  /** Once: accepts from a socket of `listenTcp` or `listenUnix`. The socket stays the caller's; who connects after `close` waits in it again.
   * @throws {NativeError} `BAD_ARGUMENT`, `CLOSED` */
  listen(fd: number): void;
  /** Takes the stream and closes others of the same engine, which has connected anew. HELLO is answered when no request of
   * any closed stream can touch the store any more: a write that the engine sends again must not meet its first copy. */
  accept(stream: number): void;
  reject(stream: number, status: StatusName, message: string): void;
  /** Closes every stream but those of `engineId`; resolves when none of their requests can touch the store any more. */
  fence(engineId: string | null): Promise<void>;
  /** From now on every change that comes over Longhorn's data protocol is counted in Longhorn's revision counter before it is
   * answered; it is written (not synced) at once, too.
   * @param path the counter's file, which is there
   * @param revision what it was when the store had done `changes` writes and unmaps
   * @throws {NativeError} `IO_ERROR`, `CLOSED` */
  keepRevision(path: string, revision: number, changes: number): Promise<void>;
  close(): Promise<void>;
}

// ---------------------------------------------------------------------------------------------- files between replicas

/** Where a `FileReceiver` listens. */
export interface FileDestination {
  host: string;
  port: number;
  /** while nothing moves */
  timeoutMs: number;
  /** until the receiver says that it has all */
  endTimeoutMs: number;
}

/**
 * Sends what a file holds to a `FileReceiver`, on a thread of its own: `native/src/sync/frame.h`. Nobody may change the file.
 *
 * Nothing is sent but what `allow` allows: bytes of data that may be sent beyond those that were allowed before.
 * @param onSent told after every few MiB: bytes of data since the last time
 * @returns `sent`: the receiver has all; rejects with `ABORTED` after `cancel()`, or with what failed at either end
 * @throws {NativeError} `BAD_ARGUMENT`, `IO_ERROR`
 */
export type SendFile = (
  fd: number,
  size: number,
  to: FileDestination,
  onSent: (bytes: number) => void,
) => { sent: Promise<void>; allow: (bytes: number) => void; cancel: () => void };

/** The receiving end, at a port that it shares with another protocol: a connection's first byte tells whose it is. */
export interface FileReceiver {
  /** From now on a sender may come, one. Puts what it sends into a file, and has the disk write it meanwhile; it is not synced.
   * @param size the file's own; nothing of it is allocated yet
   * @param name for texts of errors
   * @param onReceived told after every few MiB: bytes of data since the last time
   * @returns bytes of data, when all came; rejects with `ABORTED` after `cancel()` when no sender had come, or with what failed.
   * The file is not touched any more then */
  receive(fd: number, size: number, name: string, onReceived: (bytes: number) => void): Promise<number>;
  /** Ends `receive` soon. */
  cancel(): void;
  /** Accepts nobody any more; who connects afterwards waits in the socket, which stays the caller's. */
  close(): Promise<void>;
}

// ---------------------------------------------------------------------------------------------- the loader

interface Addon {
  crc32c: Crc32c;
  lockFile: LockFile;
  fileExtents: FileExtents;
  punchHole: PunchHole;
  hashFile: HashFile;
  listenTcp: ListenTcp;
  listenUnix: ListenUnix;
  Volume: new (options: VolumeOptions, onEvent: (event: VolumeEvent) => void) => Volume;
  Target: new (volume: Volume, options: TargetOptions, onEvent: (event: TargetEvent) => void) => Target;
  /** Opens the files and loads the extent index off the event loop. */
  openStore: (options: StoreOptions, onFatal: (error: NativeError) => void) => Promise<ReplicaStore>;
  DataServer: new (
    store: ReplicaStore,
    options: DataServerOptions,
    onEvent: (event: DataServerEvent) => void,
  ) => DataServer;
  sendFile: SendFile;
  /** Accepts from a socket of `listenTcp`. @param onConnection gets connections of the other protocol, of which nothing was read:
   * descriptors, which are the callee's */
  FileReceiver: new (fd: number, onConnection: (fd: number) => void) => FileReceiver;
}

// From native/index.ts and from dist/native/index.js alike, the project root is found by its package.json.
function loadAddon(): Addon {
  const require = createRequire(import.meta.url);
  const override = process.env["AUROCHS_ADDON"];
  if (override !== undefined) return require(override) as Addon;
  for (const root of ["../", "../../"]) {
    try {
      return require(`${root}native/build/release/aurochs.node`) as Addon;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "MODULE_NOT_FOUND") throw error;
    }
  }
  throw new Error("the addon is not built: run `npm run build:native`");
}

export const {
  crc32c,
  lockFile,
  fileExtents,
  punchHole,
  hashFile,
  listenTcp,
  listenUnix,
  Volume,
  Target,
  openStore,
  DataServer,
  sendFile,
  FileReceiver,
} = loadAddon();
