/**
 * The disk's shared state: nexuses and their unit attentions, reservations, mode pages; and the order in which a
 * command is checked: logical unit, unit attention, reservation, write protection, then its handler or the addon.
 */
import type { NexusAccess, TaskFilter } from "../../native/index.js";
import { findCommand, type CommandRow } from "./command-table.js";
import { HANDLERS } from "./commands.js";
import type { Geometry } from "./geometry.js";
import type { Identity } from "./identity.js";
import { KNOWN_PORTS_MAX } from "./limits.js";
import { MODE_DEFAULTS, type ModeState } from "./mode-pages.js";
import { encodeReservations } from "./reservation-store.js";
import { allowedAccess, apply, type ReservationState, type ReserveOut } from "./reservations.js";
import { CheckCondition, encodeFixedSense, ReservationConflict, SCSI_STATUS, SENSE } from "./sense.js";
import { AttentionQueue, type AttentionName } from "./unit-attention.js";
import type { UnitState } from "./unit-state.js";

/** What the unit needs done outside. */
export interface UnitEffects {
  setAccess: (nexus: number, access: NexusAccess) => void;
  setWriteProtected: (on: boolean) => void;
  abort: (filter: TaskFilter) => Promise<number>;
  /** allocated runs, as `Volume.extents` */
  extents: (offset: number, length: number) => Promise<number[]>;
  flush: () => Promise<void>;
  /** resolves when the state is durable */
  persist: (state: Buffer) => Promise<void>;
}

export interface UnitOptions {
  lun: number;
  identity: Identity;
  geometry: Geometry;
  state: UnitState;
}

/** One I_T nexus: a session of an initiator port. */
export interface Nexus {
  id: number;
  /** initiator port name: iSCSI name, `,i,0x`, ISID */
  port: string;
  attentions: AttentionQueue;
}

export interface UnitCommand {
  nexus: number;
  lun: number;
  cdb: Buffer;
  dataOut: Buffer | null;
}

export type UnitOutcome =
  { type: "execute" } | { type: "done"; status: number; sense: Buffer | null; dataIn: Buffer | null };

/** Commands that are answered by any logical unit, and while a unit attention is pending (SPC-5). */
const ALWAYS_ANSWERED: ReadonlySet<string> = new Set(["INQUIRY", "REPORT LUNS", "REQUEST SENSE"]);

export class LogicalUnit {
  readonly #nexuses = new Map<number, Nexus>();
  readonly #knownPorts: Set<string>;
  /** of ports that have not logged in again since another engine was in charge */
  readonly #inherited: Map<string, readonly AttentionName[]>;
  #geometry: Geometry;
  #mode: ModeState;
  #reservations: ReservationState;
  /** the port that holds the unit by RESERVE(6) or (10) */
  #legacyHolder: string | null = null;
  /** PERSISTENT RESERVE OUT commands take their turns: each builds on a state that is durable */
  #reserving: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly options: UnitOptions,
    readonly effects: UnitEffects,
  ) {
    const { reservations, mode, knownPorts, attentions } = options.state;
    this.#geometry = options.geometry;
    this.#reservations = reservations;
    this.#knownPorts = new Set(knownPorts);
    this.#inherited = new Map(attentions);
    this.#mode = mode;
    if (mode.writeProtected) effects.setWriteProtected(true);
  }

  /** All that a unit in its place has to know. */
  get state(): UnitState {
    const pending = [...this.#nexuses.values()].flatMap(({ port, attentions: { names } }) =>
      names.length === 0 ? [] : [[port, names] as const],
    );
    return {
      reservations: this.#reservations,
      mode: this.#mode,
      knownPorts: [...this.#knownPorts],
      attentions: new Map([...this.#inherited, ...pending]),
    };
  }

  get lun(): number {
    return this.options.lun;
  }
  get identity(): Identity {
    return this.options.identity;
  }
  get geometry(): Geometry {
    return this.#geometry;
  }
  get mode(): ModeState {
    return this.#mode;
  }
  get reservations(): ReservationState {
    return this.#reservations;
  }
  get legacyHolder(): string | null {
    return this.#legacyHolder;
  }

  // ------------------------------------------------------------------------------------------ nexuses

  addNexus(id: number, port: string): void {
    const nexus: Nexus = { id, port, attentions: new AttentionQueue() };
    nexus.attentions.add(this.#knownPorts.has(port) ? "NEXUS_LOSS" : "POWER_ON");
    for (const attention of this.#inherited.get(port) ?? []) nexus.attentions.add(attention);
    this.#inherited.delete(port);
    if (this.#knownPorts.size < KNOWN_PORTS_MAX) this.#knownPorts.add(port);
    this.#nexuses.set(id, nexus);
    this.#refresh(nexus);
  }

  removeNexus(id: number): void {
    const nexus = this.#nexuses.get(id);
    if (nexus === undefined) return;
    this.#nexuses.delete(id);
    if (this.#legacyHolder === nexus.port) this.setLegacyHolder(null);
  }

  attend(attention: AttentionName, whom: (nexus: Nexus) => boolean): void {
    for (const nexus of this.#nexuses.values()) {
      if (!whom(nexus)) continue;
      nexus.attentions.add(attention);
      this.#refresh(nexus);
    }
  }

  #refresh(nexus: Nexus): void {
    const persistent = allowedAccess(this.#reservations, nexus.port);
    const reserved = this.#legacyHolder !== null && this.#legacyHolder !== nexus.port;
    const read = persistent.read && !reserved;
    const write = persistent.write && !reserved;
    this.effects.setAccess(nexus.id, { read, write, attention: nexus.attentions.pending });
  }

  #refreshAll(): void {
    for (const nexus of this.#nexuses.values()) this.#refresh(nexus);
  }

  // ------------------------------------------------------------------------------------------ changes of state

  setLegacyHolder(port: string | null): void {
    this.#legacyHolder = port;
    this.#refreshAll();
  }

  /** @param by the nexus that changed it; null: a reset, which has its own unit attention */
  setMode(mode: ModeState, by: number | null): void {
    if (mode.writeProtected === this.#mode.writeProtected) return;
    this.#mode = mode;
    this.effects.setWriteProtected(mode.writeProtected);
    if (by !== null) this.attend("MODE_PARAMETERS_CHANGED", ({ id }) => id !== by);
  }

  setSize(size: number): void {
    this.#geometry = { ...this.#geometry, size };
    this.attend("CAPACITY_CHANGED", () => true);
  }

  /** Logical unit or target reset, its tasks being aborted: what does not persist goes, everybody is told. */
  reset(attention: "BUS_DEVICE_RESET" | "POWER_ON"): void {
    this.setLegacyHolder(null);
    this.setMode(MODE_DEFAULTS, null);
    this.attend(attention, () => true);
  }

  /** Aborts the tasks of all nexuses; others than the one that asked whose tasks were lost learn of it.
   * @param before the request */
  async clearTaskSet(before: Required<TaskFilter>["before"]): Promise<void> {
    for (const nexus of [...this.#nexuses.values()]) {
      const aborted = await this.effects.abort({ nexus: nexus.id, before });
      if (aborted > 0 && nexus.id !== before.nexus)
        this.attend("COMMANDS_CLEARED", ({ id }) => id === nexus.id);
    }
  }

  /** PERSISTENT RESERVE OUT: decided, made durable, then in force, then answered.
   * @throws {CheckCondition | ReservationConflict} */
  async reserveOut(command: ReserveOut): Promise<void> {
    const turn = this.#reserving.then(() => this.#reserveOut(command));
    this.#reserving = turn.catch(() => undefined); // whoever sent that command is told
    await turn;
  }

  async #reserveOut(command: ReserveOut): Promise<void> {
    const before = this.#reservations;
    const outcome = apply(before, command);
    if (outcome.type === "conflict") throw new ReservationConflict("persistent reservation");
    if (outcome.type === "refused") throw new CheckCondition(outcome.sense);
    const { state, effects } = outcome;
    if (state !== before && (state.persistent || before.persistent)) {
      await this.effects.persist(encodeReservations(state));
    }
    this.#reservations = state;
    this.#refreshAll();
    for (const { port, attention } of effects.attentions)
      this.attend(attention, (nexus) => nexus.port === port);
    const victims = [...this.#nexuses.values()].filter(({ port }) => effects.abort.includes(port));
    for (const { id, port } of victims) {
      // PREEMPT AND ABORT of one's own registration does not abort the command itself.
      if (port !== command.port) await this.effects.abort({ nexus: id });
    }
  }

  // ------------------------------------------------------------------------------------------ commands

  async execute(command: UnitCommand): Promise<UnitOutcome> {
    const nexus = this.#nexuses.get(command.nexus);
    // Its session is gone, and with it whoever would hear the answer.
    if (nexus === undefined)
      return done(SCSI_STATUS.CHECK_CONDITION, encodeFixedSense(SENSE.INTERNAL_FAILURE));
    try {
      return await this.#execute(nexus, command);
    } catch (error) {
      if (error instanceof CheckCondition)
        return done(SCSI_STATUS.CHECK_CONDITION, encodeFixedSense(error.sense));
      if (error instanceof ReservationConflict) return done(SCSI_STATUS.RESERVATION_CONFLICT, null);
      throw error;
    }
  }

  async #execute(nexus: Nexus, command: UnitCommand): Promise<UnitOutcome> {
    const { cdb } = command;
    const found = findCommand(cdb.readUInt8(0), cdb.readUInt8(1) & 0x1f);
    const always = found.row !== null && ALWAYS_ANSWERED.has(found.row.name);
    if (command.lun !== this.lun && !always) throw new CheckCondition(SENSE.LOGICAL_UNIT_NOT_SUPPORTED);
    if (!always) {
      const attention = this.takeAttention(nexus);
      if (attention !== null) throw new CheckCondition(attention);
    }
    if (found.row === null)
      throw new CheckCondition(found.knownOpcode ? SENSE.INVALID_FIELD_IN_CDB : SENSE.INVALID_OPCODE);
    this.#checkReservation(found.row, nexus);
    if (found.row.changesMedium && this.#mode.writeProtected) throw new CheckCondition(SENSE.WRITE_PROTECTED);
    if (found.row.data) return { type: "execute" };
    const handler = HANDLERS[found.row.name];
    if (handler === undefined) throw new Error(`${found.row.name} has no handler`);
    const dataIn = await handler({ unit: this, nexus, lun: command.lun, cdb, dataOut: command.dataOut });
    return { type: "done", status: SCSI_STATUS.GOOD, sense: null, dataIn };
  }

  takeAttention(nexus: Nexus): ReturnType<AttentionQueue["take"]> {
    if (!nexus.attentions.pending) return null;
    const attention = nexus.attentions.take();
    this.#refresh(nexus);
    return attention;
  }

  #checkReservation(row: CommandRow, nexus: Nexus): void {
    if (this.#legacyHolder !== null && this.#legacyHolder !== nexus.port && !row.passesReserve)
      throw new ReservationConflict("reserved by another initiator");
    if (row.rule === "read" || row.rule === "write") this.requireAccess(row.rule, nexus);
  }

  /** @throws {ReservationConflict} */
  requireAccess(access: "read" | "write", nexus: Nexus): void {
    if (!allowedAccess(this.#reservations, nexus.port)[access])
      throw new ReservationConflict("persistent reservation");
  }
}

function done(status: number, sense: Buffer | null): UnitOutcome {
  return { type: "done", status, sense, dataIn: null };
}
