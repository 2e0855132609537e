/**
 * Stands in for the C++ `Volume` (native/index.ts): the fan-out over simulated streams, the order of overlapping operations,
 * what is held and what is reported. `volume-contract.test.ts` asks both the same.
 */
import type {
  Hello,
  HelloReply,
  NativeError,
  OperationKind,
  SlotMode,
  StatusName,
  Volume,
  VolumeEvent,
  VolumeOptions,
  VolumeStats,
} from "../../native/index.js";
import { isDamaged, type ToEngine, type ToServer } from "./data-server.js";
import { Divergence } from "./divergence.js";
import { network, type End } from "./network.js";
import { BLOCK_SECTORS, bytesOf, SECTOR_BYTES, sectorsOf } from "./sectors.js";
import { runningProcess, simulation, type Process } from "./simulation.js";
import { nativeError, type StoreOp } from "./store.js";
import { Unequal } from "./unequal.js";

const SLOTS = 16;
const PAYLOAD_BYTES_MAX = 1 << 20;

type Kind = "read" | "write" | "flush" | "unmap" | "writeZeroes" | "extents" | "copy";
type Audience = "nobody" | "reader" | "writers" | "named";

interface Operation {
  kind: Kind;
  offset: number;
  length: number;
  data: Int32Array | null;
  fua: boolean;
  /** a slot; null: any */
  slot: number | null;
  isSettlement: boolean;
  from: number;
  to: number;
  done: (
    status: StatusName,
    result: Int32Array | number[] | number | null,
    failedSlot: number | null,
  ) => void;
}

interface SlotRequest {
  flight: Flight;
  slot: number;
  state: "sent" | "held";
  /** held: answered with an error */
  refused: boolean;
  /** when it was sent */
  since: number;
  op: StoreOp;
  offset: number;
  length: number;
}

interface Slot {
  mode: SlotMode;
  end: End | null;
  isOpen: boolean;
  connecting: ((error: NativeError | null, reply: HelloReply | null) => void) | null;
  requests: Map<number, SlotRequest>;
  held: Set<SlotRequest>;
  timedOut: boolean;
  crcErrors: number;
}

class Flight {
  active = true;
  operation: Operation | null;
  started = false;
  starved = false;
  beforeMark = false;
  audience: Audience = "nobody";
  named: number[] = [];
  readonly pending = new Map<number, SlotRequest>();
  readonly answered = new Set<number>();
  op: StoreOp = "read";
  offset = 0;
  length = 0;
  data: Int32Array | null = null;
  mark = 0;
  settled = 0;
  /** what a read brought, by slot */
  readonly results = new Map<number, Int32Array | number[] | null>();
  chunk = 0;
  cursor = 0;
  copied = 0;
  extents: number[] = [];
  /** writes before it that it waits for */
  blockers = new Set<Flight>();
  readonly kind: Kind;
  readonly begin: number;
  readonly end: number;
  readonly isSettlement: boolean;

  constructor(operation: Operation) {
    this.operation = operation;
    this.kind = operation.kind;
    this.begin = operation.offset;
    this.end = operation.offset + operation.length;
    this.isSettlement = operation.isSettlement;
  }

  get isUrgent(): boolean {
    return this.kind === "copy";
  }

  get isWriter(): boolean {
    return this.kind !== "read" && this.kind !== "extents" && this.kind !== "flush";
  }
}

function overlap(one: Flight, other: Flight): boolean {
  return one.begin < other.end && other.begin < one.end;
}

function closedError(): NativeError {
  return nativeError("CLOSED", "the volume is closed");
}

/** Runs that touch are one. */
function joined(runs: readonly number[]): number[] {
  const all: number[] = [];
  for (let i = 0; i < runs.length; i += 2) {
    const [offset = 0, length = 0] = [runs[i], runs[i + 1]];
    const last = all.length - 1;
    if (last > 0 && (all[last - 1] ?? 0) + (all[last] ?? 0) === offset) all[last] = (all[last] ?? 0) + length;
    else all.push(offset, length);
  }
  return all;
}

/** What engines in the simulated world use of it. */
type Simulated = Pick<
  Volume,
  | "connect" | "setMode" | "failHeld" | "refuse" | "grow" | "read" | "write" | "unmap" | "writeZeroes" | "flush" | "extents"
  | "copy" | "settle" | "watchUnmaps" | "holdReads" | "clock" | "leaseReads" | "quiesce" | "resume" | "stats" | "close"
>; // prettier-ignore

/** What an empty range comes to. */
const NOTHING: Partial<Record<Kind, Int32Array | number[] | number>> = {
  read: new Int32Array(0),
  extents: [],
  copy: 0,
};

const UNTIMED = { counts: [], sumMicros: 0 };

export class SimVolume implements Simulated {
  private readonly slots: Slot[] = Array.from({ length: SLOTS }, () => ({
    mode: "OFF",
    end: null,
    isOpen: false,
    connecting: null,
    requests: new Map(),
    held: new Set(),
    timedOut: false,
    crcErrors: 0,
  }));
  private readonly flights = new Set<Flight>();
  private parked: Operation[] = [];
  /** of what copies may differ in */
  private waitingReads: Operation[] = [];
  private refusal: StatusName | null = null;
  private leasedUntil: number | null = null;
  private watchingUnmaps = false;
  private waitingUnmaps: Flight[] = [];
  private quiesced = 0;
  private quiescing: (() => void)[] = [];
  /** from when its end was asked for */
  private closing: Promise<void> | null = null;
  private closed = false;
  private settlement: Flight | null = null;
  private epoch = 0;
  private lastId = 0;
  private readonly divergence = new Divergence();
  private readonly unequal = new Unequal();
  private readonly process: Process;
  /** bytes */
  private size: number;
  private runningReady = false;
  private ready: Flight[] = [];
  private timing = false;
  private entered = 0;
  private left = 0;
  private readonly counts = {
    reads: 0,
    writes: 0,
    flushes: 0,
    unmaps: 0,
    readBytes: 0,
    writtenBytes: 0,
    readMicros: 0,
    writeMicros: 0,
    failed: 0,
  };

  constructor(
    private readonly options: VolumeOptions,
    private readonly onEvent: (event: VolumeEvent) => void,
  ) {
    const process = runningProcess();
    if (process === undefined) throw new Error("only a simulated process has a volume");
    this.process = process;
    this.size = options.size;
  }

  // ------------------------------------------------------------------------------- JavaScript's thread and the volume's

  /** What JavaScript asks for is done on the other thread, one after the other. */
  private enter(work: () => void): void {
    const { now } = simulation();
    this.entered = Math.max(this.entered, now + simulation().random.between(0.005, 0.03));
    simulation().after(this.entered - now, this.process, work);
  }

  /** And what comes of it is heard of in the order in which it happened. */
  private leave(work: () => void): void {
    const { now } = simulation();
    this.left = Math.max(this.left, now + simulation().random.between(0.005, 0.05));
    simulation().after(this.left - now, this.process, work);
  }

  private report(event: VolumeEvent): void {
    this.leave(() => this.onEvent(event));
  }

  private call<T>(operation: Pick<Operation, "kind"> & Partial<Operation>): Promise<T> {
    if (this.closing !== null) return Promise.reject(closedError());
    return new Promise((resolve, reject) => {
      const done: Operation["done"] = (status, result, failedSlot) =>
        this.leave(() => {
          if (status === "OK") resolve((result ?? undefined) as T);
          else
            reject(
              nativeError(
                status,
                `the ${operation.kind} ended with ${status}`,
                failedSlot === null ? {} : { slot: failedSlot },
              ),
            );
        });
      const { kind, offset = 0, length = 0, data = null, fua = false, slot = null } = operation;
      const { isSettlement = false, from = 0, to = 0 } = operation;
      const whole = { kind, offset, length, data, fua, slot, isSettlement, from, to, done };
      this.enter(() => this.submit(whole));
    });
  }

  connect(slot: number, host: string, port: number, hello: Hello): Promise<HelloReply> {
    if (this.closing !== null) return Promise.reject(closedError());
    return new Promise((resolve, reject) => {
      this.enter(() =>
        this.connectSlot(slot, host, port, hello, (error, reply) =>
          this.leave(() => {
            if (reply !== null) resolve(reply);
            else reject(error ?? nativeError("DISCONNECTED", "no reply"));
          }),
        ),
      );
    });
  }

  setMode(slot: number, mode: SlotMode): Promise<void> {
    return this.onThread(() => this.changeMode(slot, mode));
  }
  failHeld(slot: number | null, status: StatusName): Promise<number> {
    return this.onThread(() => this.endHeld(slot, status));
  }
  refuse(status: StatusName | null): Promise<void> {
    return this.onThread(() => {
      this.refusal = status;
      if (status !== null) this.answerParked(status);
    });
  }
  grow(size: number): Promise<void> {
    return this.onThread(() => {
      this.size = size;
    });
  }
  watchUnmaps(on: boolean): Promise<void> {
    return this.onThread(() => {
      this.watchingUnmaps = on;
      if (!on) this.startWaitingUnmaps();
    });
  }
  holdReads(slot: number, ranges: number[]): Promise<void> {
    return this.onThread(() => {
      if (this.slot(slot).mode === "WO") this.unequal.set(slot, ranges);
      this.runReady();
    });
  }
  clock(): number {
    return Math.floor(simulation().now);
  }
  leaseReads(until: number | null): Promise<void> {
    return this.onThread(() => {
      this.leasedUntil = until;
      for (const flight of [...this.flights]) if (flight.active) this.proceed(flight);
    });
  }
  resume(): Promise<void> {
    return this.onThread(() => {
      if (this.quiesced > 0 && --this.quiesced === 0) this.runReady();
    });
  }
  quiesce(): Promise<void> {
    if (this.closing !== null) return Promise.reject(closedError());
    return new Promise((resolve) => {
      this.enter(() => {
        this.quiesced++;
        this.startWaitingUnmaps();
        const done = () => this.leave(resolve);
        if (this.flights.size === 0) done();
        else this.quiescing.push(done);
      });
    });
  }
  close(): Promise<void> {
    return (this.closing ??= this.onThread(() => this.end()));
  }

  private onThread<T>(work: () => T): Promise<T> {
    if (this.closing !== null) return Promise.reject(closedError());
    return new Promise((resolve) => {
      this.enter(() => {
        const result = work();
        this.leave(() => resolve(result));
      });
    });
  }

  async read(slot: number | null, offset: number, length: number): Promise<Buffer> {
    return bytesOf(await this.readSectors(slot, offset, length));
  }
  readSectors(slot: number | null, offset: number, length: number): Promise<Int32Array> {
    return this.call({ kind: "read", slot, offset, length });
  }
  write(
    slot: number | null,
    offset: number,
    data: Uint8Array,
    options: { fua?: boolean } = {},
  ): Promise<void> {
    return this.writeSectors(slot, offset, sectorsOf(data), options);
  }
  writeSectors(slot: number | null, offset: number, data: Int32Array, { fua = false } = {}): Promise<void> {
    return this.call({ kind: "write", slot, offset, length: data.length * SECTOR_BYTES, data, fua });
  }
  unmap(slot: number | null, offset: number, length: number): Promise<void> {
    return this.call({ kind: "unmap", slot, offset, length });
  }
  writeZeroes(slot: number | null, offset: number, length: number): Promise<void> {
    return this.call({ kind: "writeZeroes", slot, offset, length });
  }
  flush(slot: number | null): Promise<void> {
    return this.call({ kind: "flush", slot });
  }
  extents(slot: number | null, offset: number, length: number): Promise<number[]> {
    return this.call({ kind: "extents", slot, offset, length });
  }
  copy(from: number, to: number, offset: number, length: number): Promise<number> {
    return this.call({ kind: "copy", from, to, offset, length });
  }
  settle(): Promise<void> {
    return this.call({ kind: "flush", isSettlement: true });
  }

  stats(): VolumeStats {
    if (this.closing !== null) throw closedError();
    const slots = this.slots.map((slot) => ({
      connected: slot.isOpen,
      mode: slot.mode,
      inFlight: slot.requests.size + slot.held.size,
      held: slot.held.size,
      timedOut: slot.timedOut,
      crcErrors: slot.crcErrors,
    }));
    // Written out, as in all that is made often: to spread takes several times as long.
    const { counts } = this;
    return {
      reads: counts.reads,
      writes: counts.writes,
      flushes: counts.flushes,
      unmaps: counts.unmaps,
      readBytes: counts.readBytes,
      writtenBytes: counts.writtenBytes,
      readMicros: counts.readMicros,
      writeMicros: counts.writeMicros,
      failed: counts.failed,
      inFlight: this.flights.size,
      differing: this.divergence.size,
      latency: { read: UNTIMED, write: UNTIMED, flush: UNTIMED, unmap: UNTIMED },
      slots,
    };
  }

  // ---------------------------------------------------------------------------------------------- admission

  private submit(operation: Operation): void {
    const { kind, offset, length, done } = operation;
    let status: StatusName | null = this.closed ? "ABORTED" : this.refusal;
    if (status === null && kind !== "flush") {
      if (offset + length > this.size) status = "OUT_OF_RANGE";
      else if (length === 0) status = "OK";
    }
    if (status !== null) {
      if (status !== "OK") this.counts.failed++;
      done(status, NOTHING[kind] ?? null, null);
    } else if (this.hasToWait(operation)) this.park(operation);
    else this.admit(operation);
  }

  private hasToWait({ kind, offset, length }: Operation): boolean {
    if (kind !== "copy") return this.quiesced > 0 || this.parked.length > 0;
    const undoes = (flight: Flight) =>
      flight.isWriter && flight.begin < offset + length && offset < flight.end;
    return this.quiesced > 0 && ![...this.flights].some(undoes);
  }

  private park(operation: Operation): void {
    const behind = this.parked.findIndex(({ kind }) => kind !== "copy");
    const at = operation.kind === "copy" && behind >= 0 ? behind : this.parked.length;
    this.parked.splice(at, 0, operation);
  }

  private answerParked(status: StatusName): void {
    for (const { done } of [...this.parked.splice(0), ...this.waitingReads.splice(0)]) {
      this.counts.failed++;
      done(status, null, null);
    }
  }

  private readsUnequal({ kind, slot, offset, length }: Operation): boolean {
    return kind === "read" && slot === null && this.unequal.touches(offset, offset + length);
  }

  private admitEqual(): void {
    if (this.waitingReads.length === 0) return;
    const waiting = this.waitingReads;
    this.waitingReads = waiting.filter((operation) => this.readsUnequal(operation));
    this.parked.push(...waiting.filter((operation) => !this.readsUnequal(operation)));
  }

  private admit(operation: Operation): void {
    if (this.readsUnequal(operation)) {
      const { offset, length } = operation;
      this.waitingReads.push(operation);
      this.report({ type: "readWaits", offset, length });
      return;
    }
    const flight = new Flight(operation);
    for (const other of this.overlapping(flight)) {
      const overtaken = flight.isUrgent && !other.isUrgent && other.blockers.size > 0;
      if (!overtaken) flight.blockers.add(other);
    }
    if (flight.isUrgent)
      for (const other of this.flights)
        if (other.blockers.size > 0 && !other.isUrgent && overlap(other, flight)) other.blockers.add(flight);
    this.flights.add(flight);
    if (flight.blockers.size === 0) this.start(flight);
  }

  /** Writes before it that it has to wait for. */
  private overlapping(flight: Flight): Flight[] {
    if (flight.kind === "flush") return [];
    const found: Flight[] = [];
    for (const other of this.flights) if (other.isWriter && overlap(other, flight)) found.push(other);
    return found;
  }

  private finish(flight: Flight, status: StatusName, failedSlot: number | null = null): void {
    const { operation } = flight;
    if (operation === null) return;
    flight.operation = null;
    const touched = flight.answered.size + flight.pending.size > 0;
    if (status !== "OK" && flight.audience === "writers" && flight.kind !== "flush" && touched)
      this.divergence.add(flight.begin, flight.end, this.writers());
    else if (flight.kind === "copy") {
      if (status === "OK") this.divergence.copied(operation.from, operation.to, flight.begin, flight.end);
      const unreadable = status === "IO_ERROR" && failedSlot === operation.from;
      if (status === "OK" || unreadable) this.unequal.copied(operation.to, flight.begin, flight.end);
    }
    for (const [slot, request] of flight.pending) {
      if (request.state !== "held") continue;
      this.slots[slot]?.held.delete(request);
      flight.pending.delete(slot);
    }
    if (!flight.isSettlement) this.count(operation, status);
    if (this.settlement === flight) this.settlement = null;
    if (flight.pending.size === 0) this.retire(flight);
    const ended = flight.kind === "copy" ? failedSlot : null;
    operation.done(status, status === "OK" ? this.resultOf(flight) : null, ended);
    this.runReady();
  }

  private resultOf(flight: Flight): Int32Array | number[] | number | null {
    switch (flight.kind) {
      case "read":
        return [...flight.results.values()][0] ?? null;
      case "extents":
        return flight.extents;
      case "copy":
        return flight.copied * SECTOR_BYTES;
      default:
        return null;
    }
  }

  private retire(flight: Flight): void {
    flight.active = false;
    this.flights.delete(flight);
    for (const other of this.flights) {
      if (!other.blockers.delete(flight) || other.blockers.size > 0) continue;
      this.ready.push(other);
    }
  }

  private runReady(): void {
    if (this.runningReady) return;
    this.runningReady = true;
    for (;;) {
      for (let flight = this.ready.shift(); flight !== undefined; flight = this.ready.shift())
        if (flight.active && flight.operation !== null) this.start(flight);
      this.finishSettlement();
      this.admitEqual();
      while (this.parked.length > 0 && this.quiesced === 0) this.admit(this.parked.shift() as Operation);
      if (this.ready.length === 0) break;
    }
    this.runningReady = false;
    if (this.flights.size > 0) return;
    for (const done of this.quiescing.splice(0)) done();
  }

  private count({ kind, length }: Operation, status: StatusName): void {
    const { counts } = this;
    if (status !== "OK") counts.failed++;
    else if (kind === "read") {
      counts.reads++;
      counts.readBytes += length;
    } else if (kind === "write" || kind === "writeZeroes") {
      counts.writes++;
      counts.writtenBytes += length;
    } else if (kind === "flush") counts.flushes++;
    else if (kind === "unmap") counts.unmaps++;
  }

  // ---------------------------------------------------------------------------------------------- slots

  private slot(index: number): Slot {
    const slot = this.slots[index];
    if (slot === undefined) throw nativeError("BAD_ARGUMENT", `there is no slot ${index}`);
    return slot;
  }

  private with(one: SlotMode, other: SlotMode): number[] {
    const found: number[] = [];
    for (let index = 0; index < SLOTS; index++) {
      const mode = this.slots[index]?.mode;
      if (mode === one || mode === other) found.push(index);
    }
    return found;
  }
  private readers(): number[] {
    return this.with("RW", "RW");
  }
  private writers(): number[] {
    return this.with("RW", "WO");
  }

  private connectSlot(
    index: number,
    host: string,
    port: number,
    hello: Hello,
    done: NonNullable<Slot["connecting"]>,
  ): void {
    if (this.closed) {
      done(nativeError("ABORTED", "the volume is closed"), null);
      return;
    }
    this.dropStream(index, true);
    const slot = this.slot(index);
    slot.connecting = done;
    this.startTimer();
    const mine = () => slot.connecting === done;
    const refuse = (status: StatusName, reason: string) => {
      if (mine()) this.connectionFailed(index, status, reason);
    };
    simulation().after(this.options.replicaTimeoutMs, this.process, () =>
      refuse("DISCONNECTED", "no answer to HELLO"),
    );
    network().connect({
      from: this.process,
      host,
      port,
      onRefused: (reason) => refuse("DISCONNECTED", reason),
      onOpen: (end) => {
        if (!mine()) {
          end.close();
          return;
        }
        slot.end = end;
        end.onMessage = (message) => this.receive(index, end, message as ToEngine);
        end.onClose = (reason) => this.streamClosed(index, end, reason);
        end.send({ type: "hello", hello } satisfies ToServer);
      },
    });
  }

  private connectionFailed(index: number, status: StatusName, reason: string): void {
    const slot = this.slot(index);
    const { connecting } = slot;
    slot.connecting = null;
    this.dropStream(index, true);
    connecting?.(nativeError(status, reason), null);
  }

  private streamClosed(index: number, end: End, reason: string): void {
    const slot = this.slot(index);
    if (slot.end !== end) return;
    if (slot.connecting !== null) {
      this.connectionFailed(index, "DISCONNECTED", reason);
      return;
    }
    this.endSettlement();
    this.dropStream(index, true);
    this.report({ type: "disconnected", slot: index, reason });
  }

  private receive(index: number, end: End, message: ToEngine): void {
    const slot = this.slot(index);
    if (slot.end !== end) return;
    switch (message.type) {
      case "rejected": {
        this.connectionFailed(index, message.status, message.message);
        return;
      }
      case "accepted": {
        slot.isOpen = true;
        slot.timedOut = false;
        for (const request of slot.held) this.send(slot, request);
        slot.held.clear();
        const { connecting } = slot;
        slot.connecting = null;
        connecting?.(null, message.reply);
        return;
      }
      case "answer": {
        const request = slot.requests.get(message.id);
        slot.requests.delete(message.id);
        if (request === undefined) return;
        const damaged = request.op === "read" && message.status === "OK" && isDamaged();
        const status = damaged ? "CHECKSUM_MISMATCH" : message.status;
        if (status === "CHECKSUM_MISMATCH") slot.crcErrors++;
        this.answered(request, status, message.message, message.result);
      }
    }
  }

  private dropStream(index: number, keep: boolean): void {
    const slot = this.slot(index);
    slot.timedOut = false;
    if (slot.isOpen) this.endSettlement();
    const requests = [...slot.requests.values()];
    slot.requests.clear();
    slot.isOpen = false;
    const { end, connecting } = slot;
    slot.end = slot.connecting = null;
    end?.close();
    connecting?.(nativeError("ABORTED", "another call took its place"), null);
    if (!keep) requests.push(...slot.held);
    if (!keep) slot.held.clear();
    const dropped = requests.filter((request) => {
      const { flight } = request;
      if (keep && flight.operation !== null && this.mayBeHeld(request)) {
        this.hold(request, false);
        return false;
      }
      flight.pending.delete(index);
      return true;
    });
    for (const { flight } of dropped) {
      if (!flight.active) continue;
      if (flight.operation === null) {
        if (flight.pending.size > 0) continue;
        this.retire(flight);
        this.runReady();
      } else if (flight.audience === "named") this.finish(flight, "DISCONNECTED", index);
      else if (keep) this.proceed(flight);
    }
  }

  private mayBeHeld({ flight, slot }: SlotRequest): boolean {
    if (flight.audience === "reader") return this.slot(slot).mode === "RW";
    return flight.audience === "writers";
  }

  private hold(request: SlotRequest, refused: boolean): void {
    request.state = "held";
    request.refused = refused;
    this.slot(request.slot).held.add(request);
  }

  private changeMode(index: number, mode: SlotMode): void {
    const slot = this.slot(index);
    if (this.closed || slot.mode === mode) return;
    slot.mode = mode;
    if (mode === "OFF") {
      this.divergence.left(index);
      this.dropStream(index, false);
    }
    this.endSettlement();
    this.unequal.forget(index);
    for (const flight of [...this.flights]) {
      if (!flight.active) continue;
      if (mode === "OFF") flight.answered.delete(index);
      const request = flight.pending.get(index);
      if (request?.state === "held" && !this.mayBeHeld(request)) {
        slot.held.delete(request);
        flight.pending.delete(index);
      }
      this.proceed(flight);
    }
    this.runReady();
  }

  private endHeld(index: number | null, status: StatusName): number {
    let count = 0;
    for (const flight of [...this.flights]) {
      if (!flight.active || flight.operation === null) continue;
      const request = index === null ? undefined : flight.pending.get(index);
      const held = request?.state === "held" && (request.refused || this.refusal !== null);
      if (!(index === null ? flight.starved : held)) continue;
      this.finish(flight, status);
      count++;
    }
    return count;
  }

  private startTimer(): void {
    if (this.timing || this.closed) return;
    this.timing = true;
    const periodMs = Math.min(1000, Math.max(1, this.options.replicaTimeoutMs / 4));
    simulation().after(periodMs, this.process, () => {
      this.timing = false;
      for (const [index, slot] of this.slots.entries()) this.checkTimeout(index, slot);
      this.startTimer();
    });
  }

  private checkTimeout(index: number, slot: Slot): void {
    const [oldest] = slot.requests.values();
    if (!slot.isOpen || slot.timedOut || oldest === undefined) return;
    const elapsedMs = simulation().now - oldest.since;
    if (elapsedMs <= this.options.replicaTimeoutMs) return;
    slot.timedOut = true;
    const { offset, length } = oldest;
    this.report({
      type: "timeout",
      slot: index,
      op: oldest.flight.kind as OperationKind,
      offset,
      length,
      elapsedMs,
    });
  }

  private end(): void {
    if (this.closed) return;
    this.closed = true;
    this.quiesced = 0;
    this.watchingUnmaps = false;
    this.waitingUnmaps = [];
    this.answerParked("ABORTED");
    for (const slot of this.slots) slot.mode = "OFF";
    for (const index of this.slots.keys()) this.dropStream(index, false);
    for (const flight of [...this.flights]) if (flight.active) this.finish(flight, "ABORTED");
    this.runReady();
  }

  // ---------------------------------------------------------------------------------------------- steps

  private begin(
    flight: Flight,
    audience: Audience,
    named: number[],
    op: StoreOp,
    offset: number,
    length: number,
    data: Int32Array | null,
  ): void {
    flight.audience = named.length > 0 ? "named" : audience;
    flight.named = named;
    flight.answered.clear();
    flight.results.clear();
    Object.assign(flight, { op, offset, length, data });
    this.proceed(flight);
  }

  private proceed(flight: Flight): void {
    if (flight.operation === null) return;
    flight.starved = false;
    switch (flight.audience) {
      case "nobody":
        return;
      case "reader": {
        if (flight.pending.size > 0) return;
        if (flight.answered.size > 0) {
          if (this.readsCount()) this.stepDone(flight);
          else flight.starved = true;
          return;
        }
        flight.results.clear();
        const reader = this.chooseReader();
        if (reader === null) flight.starved = true;
        else this.dispatch(flight, reader);
        return;
      }
      case "writers":
        if (this.readers().length === 0) {
          flight.starved = flight.pending.size === 0;
          return;
        }
        for (const slot of this.writers())
          if (!flight.answered.has(slot) && !flight.pending.has(slot)) this.dispatch(flight, slot);
        if (flight.pending.size === 0) this.stepDone(flight);
        return;
      case "named":
        for (const slot of flight.named) {
          if (flight.answered.has(slot) || flight.pending.has(slot)) continue;
          if (!this.slot(slot).isOpen) {
            this.finish(flight, "DISCONNECTED", slot);
            return;
          }
          this.dispatch(flight, slot);
        }
        if (flight.pending.size === 0) this.stepDone(flight);
    }
  }

  private dispatch(flight: Flight, index: number): void {
    const { op, offset, length } = flight;
    const request: SlotRequest = {
      flight,
      slot: index,
      state: "sent",
      refused: false,
      since: 0,
      op,
      offset,
      length,
    };
    flight.pending.set(index, request);
    const slot = this.slot(index);
    if (slot.isOpen) this.send(slot, request);
    else this.hold(request, false);
  }

  private send(slot: Slot, request: SlotRequest): void {
    const { flight, op, offset, length } = request;
    const id = ++this.lastId;
    request.state = "sent";
    request.since = simulation().now;
    slot.requests.set(id, request);
    const { fua = false } = flight.operation ?? {};
    const { data, mark, settled } = flight;
    slot.end?.send({
      type: "request",
      id,
      op,
      offset,
      length,
      fua,
      data: op === "write" ? data : null,
      mark,
      settled,
    } satisfies ToServer);
  }

  private answered(
    request: SlotRequest,
    status: StatusName,
    message: string,
    result: Int32Array | number[] | null,
  ): void {
    const { flight, slot: index } = request;
    const slot = this.slot(index);
    slot.timedOut = false;
    const named = flight.audience === "named";
    const stale = flight.audience === "reader" && slot.mode !== "RW";
    if (status !== "OK" && flight.operation !== null && !stale) {
      if (!named) this.hold(request, true);
      const { offset, length } = request;
      if (!named || flight.isSettlement)
        this.report({
          type: "failed",
          slot: index,
          status,
          message,
          op: flight.kind as OperationKind,
          offset,
          length,
        });
      if (!named) return;
    }
    flight.pending.delete(index);
    if (flight.operation === null) {
      if (flight.pending.size > 0) return;
      this.retire(flight);
      this.runReady();
    } else if (stale) this.proceed(flight);
    else if (status !== "OK") this.finish(flight, status, index);
    else {
      flight.answered.add(index);
      flight.results.set(index, result);
      if (flight.pending.size === 0) this.proceed(flight);
    }
  }

  private chooseReader(): number | null {
    let best: { index: number; cost: number } | null = null;
    for (const index of this.readers()) {
      const slot = this.slot(index);
      const cost = (slot.isOpen ? (slot.timedOut ? 1 : 0) : 2) * 1e6 + slot.requests.size + slot.held.size;
      if (best === null || cost < best.cost) best = { index, cost };
    }
    return best?.index ?? null;
  }

  private readsCount(): boolean {
    return this.leasedUntil === null || simulation().now < this.leasedUntil;
  }

  private waitsAsUnmap({ kind, slot }: Operation): boolean {
    return kind === "unmap" && slot === null && this.watchingUnmaps && this.quiesced === 0;
  }

  private startWaitingUnmaps(): void {
    for (const flight of this.waitingUnmaps.splice(0)) this.start(flight);
  }

  private start(flight: Flight): void {
    const { operation } = flight;
    if (operation === null || flight.started) return;
    if (this.waitsAsUnmap(operation)) {
      this.waitingUnmaps.push(flight);
      if (this.waitingUnmaps.length === 1) this.report({ type: "unmapsWaiting" });
      return;
    }
    flight.started = true;
    const { offset, length, data, slot } = operation;
    const named = slot === null ? [] : [slot];
    if (flight.isSettlement) {
      this.startSettlement(flight);
      return;
    }
    switch (flight.kind) {
      case "read": {
        this.begin(flight, "reader", named, "read", offset, length, null);
        return;
      }
      case "copy":
        flight.chunk = offset;
        {
          this.readChunk(flight);
          return;
        }
      case "extents": {
        this.begin(flight, "reader", named, "extents", offset, length, null);
        return;
      }
      case "flush": {
        this.begin(flight, "writers", named, "flush", 0, 0, null);
        return;
      }
      default: {
        this.begin(flight, "writers", named, flight.kind, offset, length, data);
        return;
      }
    }
  }

  private stepDone(flight: Flight): void {
    if (flight.isSettlement) {
      this.settlementStepDone(flight);
      return;
    }
    if (flight.kind === "copy") {
      this.copyNextRun(flight);
      return;
    }
    if (flight.kind === "extents")
      flight.extents = joined(([...flight.results.values()][0] ?? []) as number[]);
    this.finish(flight, "OK");
  }

  private readChunk(flight: Flight): void {
    const { operation } = flight;
    if (operation === null) return;
    const left = flight.end - flight.chunk;
    if (left === 0) {
      this.finish(flight, "OK");
      return;
    }
    flight.cursor = 0;
    const length = Math.min(left, PAYLOAD_BYTES_MAX);
    const slots = [operation.from, operation.to].sort();
    this.begin(flight, "named", slots, "read", flight.chunk, length, null);
  }

  private copyNextRun(flight: Flight): void {
    const { operation } = flight;
    if (operation === null) return;
    if (flight.op === "read") {
      const [source, destination] = [operation.from, operation.to].map((slot) => flight.results.get(slot));
      this.copySources.set(flight, { source: source as Int32Array, destination: destination as Int32Array });
    }
    const { source, destination } = this.copySources.get(flight) as {
      source: Int32Array;
      destination: Int32Array;
    };
    const differs = (block: number) => {
      for (let i = block * BLOCK_SECTORS; i < Math.min((block + 1) * BLOCK_SECTORS, source.length); i++)
        if (source[i] !== destination[i]) return true;
      return false;
    };
    const blocks = Math.ceil(source.length / BLOCK_SECTORS);
    let from = flight.cursor;
    while (from < blocks && !differs(from)) from++;
    if (from >= blocks) {
      flight.chunk += source.length * SECTOR_BYTES;
      this.readChunk(flight);
      return;
    }
    let to = from;
    while (to < blocks && differs(to)) to++;
    flight.cursor = to;
    const data = source.slice(from * BLOCK_SECTORS, Math.min(to * BLOCK_SECTORS, source.length));
    flight.copied += data.length;
    const offset = flight.chunk + from * BLOCK_SECTORS * SECTOR_BYTES;
    this.begin(flight, "named", [operation.to], "write", offset, data.length * SECTOR_BYTES, data);
  }
  private readonly copySources = new WeakMap<Flight, { source: Int32Array; destination: Int32Array }>();

  // ---------------------------------------------------------------------------------------------- settlement

  private startSettlement(flight: Flight): void {
    const writers = this.writers();
    const possible =
      this.divergence.isEmpty &&
      this.settlement === null &&
      this.readers().length > 0 &&
      writers.every((slot) => this.slot(slot).isOpen);
    if (!possible) {
      this.finish(flight, "ABORTED");
      return;
    }
    this.settlement = flight;
    for (const other of this.flights) other.beforeMark = other.isWriter && other.blockers.size === 0;
    flight.mark = ++this.epoch;
    this.begin(flight, "named", writers, "flush", 0, 0, null);
  }

  private settlementStepDone(flight: Flight): void {
    if (flight.settled !== 0) {
      this.finish(flight, "OK");
      return;
    }
    flight.audience = "nobody";
    this.finishSettlement();
  }

  private finishSettlement(): void {
    const flight = this.settlement;
    if (flight?.audience !== "nobody" || [...this.flights].some(({ beforeMark }) => beforeMark)) return;
    if (!this.divergence.isEmpty) {
      this.finish(flight, "ABORTED");
      return;
    }
    flight.settled = flight.mark;
    flight.mark = 0;
    this.begin(flight, "named", flight.named, "flush", 0, 0, null);
  }

  private endSettlement(): void {
    if (this.settlement !== null) this.finish(this.settlement, "ABORTED");
  }
}
