/**
 * The deciding half of the iSCSI target: ties the addon's events to login, text, logout, task management and the
 * logical unit. The addon frames PDUs, keeps the command window and moves data; what is rare comes here.
 */
import { constants } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import type {
  NativeError,
  Target as NativeTarget,
  TargetEvent,
  TargetOptions as NativeOptions,
} from "../../native/index.js";
import { encodeLogoutRequestMessage, encodeSessionDroppedMessage } from "./async-message.js";
import { decodeTaskManagementRequest, encodeReject, encodeTaskManagementResponse, OPCODE, opcodeOf, REJECT_REASON } from "./bhs.js"; // prettier-ignore
import { checkChapOptions, type ChapOptions } from "./chap.js";
import type { DiscoveryOptions, Portal } from "./discovery.js";
import { identityOf, TARGET_PORTAL_GROUP_TAG } from "./identity.js";
import {
  COMMAND_WINDOW,
  CONNECTIONS_MAX,
  LEAVE_MS,
  LOGIN_TIMEOUT_MS,
  NOP_INTERVAL_MS,
  NOP_TIMEOUT_MS,
  PORTAL_POLL_MS,
  PORTAL_RETRY_MS,
  SHUTDOWN_LOGOUT_MS,
} from "./limits.js";
import { LogicalUnit } from "./logical-unit.js";
import { Login, type LoginResult, type LoginStep } from "./login.js";
import { answerLogout } from "./logout.js";
import { decodeReservations } from "./reservation-store.js";
import { encodeFixedSense, SCSI_STATUS, SENSE } from "./sense.js";
import { loginOf, parametersOf, type Connection, type Session } from "./session.js";
import { carryOut, planTaskManagement } from "./task-management.js";
import { TextExchange } from "./text-exchange.js";
import { decodeUnitState, encodeUnitState, stateAfterPowerOn } from "./unit-state.js";

export interface IscsiTargetOptions {
  /** target name */
  iqn: string;
  /** what the disk's serial number is derived from */
  volume: string;
  lun: number;
  /** bytes, 512 or 4096 */
  logicalBlockSize: number;
  /** bytes */
  size: number;
  /** initiator names that may log in; null: all */
  acl: readonly string[] | null;
  chap: ChapOptions | null;
  /** what discovery tells; empty: the address that the initiator came in on */
  portals: readonly Portal[];
  /** what `persist` was last given; null: nothing */
  savedReservations: Uint8Array | null;
  /** what the target in whose place this one comes gave away in `suspend`; null: there is none */
  unitState: Buffer | null;
}

/** What the target needs of the rest of the engine. */
export interface IscsiTargetNeeds {
  createTarget: (options: NativeOptions, onEvent: (event: TargetEvent) => void) => NativeTarget;
  /** `Volume.extents` of any slot */
  extents: (offset: number, length: number) => Promise<number[]>;
  flush: () => Promise<void>;
  /** resolves when the reservations are durable */
  persist: (state: Buffer) => Promise<void>;
  log: Logger;
}

export interface SessionInfo {
  initiatorName: string;
  isid: string;
  session: "normal" | "discovery";
  remote: string;
  commands: number;
  openTasks: number;
}

export class IscsiTarget {
  readonly #native: NativeTarget;
  readonly #unit: LogicalUnit;
  readonly #discovery: DiscoveryOptions;
  readonly #log: Logger;
  readonly #connections = new Map<number, Connection>();
  #lastTsih = 0;
  #lastNexus = 0;
  #closing = false;
  #onAllGone: (() => void) | null = null;
  /** what is being decided about PDUs and commands */
  readonly #deciding = new Set<Promise<void>>();
  /** while suspended: what came since */
  #held: TargetEvent[] | null = null;
  #bound: Portal[] = [];
  /** attempts to listen again, until `#again` is aborted */
  #attempts: Promise<unknown> = Promise.resolve();
  #again = new AbortController();

  /** @throws {RangeError} options that cannot work; {SavedReservationsError | UnitStateError} */
  constructor(
    private readonly options: IscsiTargetOptions,
    needs: IscsiTargetNeeds,
  ) {
    if (options.chap !== null) checkChapOptions(options.chap);
    if (options.size % options.logicalBlockSize !== 0)
      throw new RangeError(
        `the size is not a multiple of the logical block, ${options.logicalBlockSize} bytes`,
      );
    const { unitState } = options;
    const state =
      unitState === null
        ? stateAfterPowerOn(decodeReservations(options.savedReservations))
        : decodeUnitState(unitState);
    this.#log = needs.log.child({ target: options.iqn });
    this.#discovery = {
      targetName: options.iqn,
      targetPortalGroupTag: TARGET_PORTAL_GROUP_TAG,
      portals: options.portals,
    };
    const { logicalBlockSize, size, lun } = options;
    const native = needs.createTarget(
      {
        logicalBlockSize,
        commandWindow: COMMAND_WINDOW,
        nopIntervalMs: NOP_INTERVAL_MS,
        nopTimeoutMs: NOP_TIMEOUT_MS,
        loginTimeoutMs: LOGIN_TIMEOUT_MS,
        connectionsMax: CONNECTIONS_MAX,
      },
      (event) => this.#onEvent(event),
    );
    this.#native = native;
    this.#unit = new LogicalUnit(
      {
        lun,
        identity: identityOf(options.iqn, options.volume),
        geometry: { logicalBlockSize, size },
        state,
      },
      {
        setAccess: (nexus, access) => native.setAccess(nexus, access),
        setWriteProtected: (on) => native.setWriteProtected(on),
        abort: (filter) => native.abort(filter),
        extents: needs.extents,
        flush: needs.flush,
        persist: needs.persist,
      },
    );
  }

  /** @param waitMs how long portals are waited for that are in use
   * @returns the addresses bound, in the order of `portals` */
  async start(portals: readonly Portal[], waitMs = 0): Promise<Portal[]> {
    const deadline = performance.now() + waitMs;
    this.#bound = [];
    for (const portal of portals) this.#bound.push(await this.#listen(portal, deadline));
    this.#log.info({ portals: this.#bound }, "target listening");
    return this.#bound;
  }

  async #listen({ host, port }: Portal, deadline: number): Promise<Portal> {
    for (;;) {
      try {
        return await this.#native.listen(host, port);
      } catch (error) {
        if ((error as NativeError).errno !== constants.errno.EADDRINUSE || performance.now() >= deadline)
          throw error;
      }
      await sleep(PORTAL_POLL_MS);
    }
  }

  // ------------------------------------------------------------------------------------------ another takes its place

  /** Takes no new initiators, and neither decides nor answers anything more; what is under way ends first. I/O is not
   * looked at here: the volume holds it.
   * @returns what the target that comes in its place has to know */
  async suspend(): Promise<Buffer> {
    this.#held = [];
    await this.#stopListening();
    await Promise.all(this.#deciding);
    return encodeUnitState(this.#unit.state);
  }

  /** Goes on after `suspend`. A portal that somebody has taken meanwhile is tried again until it is free: whoever is logged in needs none. */
  resume(): void {
    const held = this.#held ?? [];
    this.#held = null;
    for (const event of held) this.#onEvent(event);
    this.#again = new AbortController();
    const { signal } = this.#again;
    this.#attempts = Promise.all(this.#bound.map((portal) => this.#listenAgain(portal, signal)));
  }

  async #listenAgain({ host, port }: Portal, signal: AbortSignal): Promise<void> {
    for (let failures = 0; !signal.aborted; failures++) {
      try {
        await this.#native.listen(host, port);
        if (failures > 0) this.#log.info({ host, port, failures }, "portal is listened on again");
        return;
      } catch (err) {
        if (failures === 0)
          this.#log.error({ err, host, port }, "nobody can log in at a portal until it can be listened on");
      }
      await sleep(PORTAL_RETRY_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  async #stopListening(): Promise<void> {
    this.#again.abort();
    await this.#attempts;
    await this.#native.stopListening();
  }

  /** After `suspend`: lets initiators go without an answer to what they wait for. They log in again at once, where another
   * target has to listen by now, and send it again. */
  async leave(): Promise<void> {
    this.#closing = true;
    for (const { id, state } of this.#connections.values()) {
      if (state.phase === "open") this.#native.send(id, encodeSessionDroppedMessage(), null, "close");
      else void this.#native.closeConnection(id, "another target takes over");
    }
    await this.#allGone(LEAVE_MS);
  }

  /** Ends what is left, without a word. Resolves when no operation is in flight. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#again.abort();
    await this.#native.close();
  }

  // ------------------------------------------------------------------------------------------ the end

  /** Asks initiators to log out, waits for them a while, then ends what is left. */
  async shutdown(): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    await this.#stopListening();
    const message = encodeLogoutRequestMessage(Math.ceil(SHUTDOWN_LOGOUT_MS / 1000));
    for (const { id, state } of this.#connections.values()) {
      if (state.phase === "open") this.#native.send(id, message, null, "continue");
      else await this.#native.closeConnection(id, "target shuts down");
    }
    await this.#allGone(SHUTDOWN_LOGOUT_MS);
    await Promise.all(
      [...this.#connections.keys()].map((id) => this.#native.closeConnection(id, "target shuts down")),
    );
    await this.#native.close();
    this.#log.info("target closed");
  }

  /** @param size bytes */
  capacityChanged(size: number): void {
    this.#unit.setSize(size);
  }

  sessions(): SessionInfo[] {
    const stats = new Map(this.#native.sessions().map((entry) => [entry.connection, entry]));
    return [...this.#connections.values()].flatMap(({ id, remote, state }) => {
      if (state.phase !== "open") return [];
      const { initiatorName, isid, session } = state.session;
      const { commands = 0, openTasks = 0 } = stats.get(id) ?? {};
      return [{ initiatorName, isid, session, remote, commands, openTasks }];
    });
  }

  async #allGone(timeoutMs: number): Promise<void> {
    if (this.#connections.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#onAllGone = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  // ------------------------------------------------------------------------------------------ events

  #onEvent(event: TargetEvent): void {
    switch (event.type) {
      case "connected":
        this.#connected(event);
        return;
      case "pdu":
        if (this.#held === null) this.#guard(event.connection, this.#pdu(event));
        else this.#held.push(event);
        return;
      case "command":
        if (this.#held === null) this.#guard(event.connection, this.#command(event));
        else this.#held.push(event);
        return;
      case "disconnected":
        this.#disconnected(event.connection, event.reason);
        return;
    }
  }

  /** A defect here must not take other sessions along. */
  #guard(connection: number, work: Promise<void>): void {
    const guarded = work.catch((err: unknown) => {
      this.#log.error({ err, connection }, "connection closed after an internal error");
      this.#native.closeConnection(connection, "internal error").catch((error: unknown) => {
        this.#log.error({ err: error, connection }, "connection could not be closed");
      });
    });
    this.#deciding.add(guarded);
    void guarded.then(() => this.#deciding.delete(guarded));
  }

  #connected({ connection: id, remote, local }: TargetEvent & { type: "connected" }): void {
    const login = new Login({
      targetName: this.options.iqn,
      targetPortalGroupTag: TARGET_PORTAL_GROUP_TAG,
      acl: this.options.acl,
      chap: this.options.chap,
      commandWindow: COMMAND_WINDOW,
      findSession: (tsih) =>
        this.#openConnections().find(({ session }) => session.tsih === tsih)?.session ?? null,
      available: () => !this.#closing,
    });
    this.#connections.set(id, { id, remote, local, state: { phase: "login", login } });
  }

  #disconnected(id: number, reason: string): void {
    const connection = this.#connections.get(id);
    if (connection === undefined) return;
    this.#connections.delete(id);
    if (connection.state.phase === "open") {
      const { initiatorName, isid, nexus } = connection.state.session;
      this.#unit.removeNexus(nexus);
      this.#log.info({ connection: id, initiatorName, isid, reason }, "session closed");
    } else {
      this.#log.info(
        { connection: id, remote: connection.remote, reason },
        "connection closed before a login",
      );
    }
    if (this.#connections.size === 0) this.#onAllGone?.();
  }

  #openConnections(): { connection: Connection; session: Session }[] {
    return [...this.#connections.values()].flatMap((connection) =>
      connection.state.phase === "open" ? [{ connection, session: connection.state.session }] : [],
    );
  }

  async #command(event: TargetEvent & { type: "command" }): Promise<void> {
    const { nexus, task, lun, dataOut } = event;
    const cdb = Buffer.alloc(16);
    event.cdb.copy(cdb);
    try {
      const outcome = await this.#unit.execute({ nexus, lun, cdb, dataOut });
      if (outcome.type === "execute") this.#native.execute(task);
      else this.#native.complete(task, outcome.status, outcome.sense, outcome.dataIn);
    } catch (err) {
      this.#log.error({ err, cdb: cdb.toString("hex") }, "command failed");
      this.#native.complete(
        task,
        SCSI_STATUS.CHECK_CONDITION,
        encodeFixedSense(SENSE.INTERNAL_FAILURE),
        null,
      );
    }
  }

  async #pdu({ connection: id, bhs, data }: TargetEvent & { type: "pdu" }): Promise<void> {
    const connection = this.#connections.get(id);
    if (connection === undefined) return;
    const { state } = connection;
    const opcode = opcodeOf(bhs);
    if (state.phase === "login") {
      const isLogin = opcode === OPCODE.LOGIN_REQUEST;
      await this.#login(connection, isLogin ? state.login.step(bhs, data) : state.login.unexpectedPdu(bhs));
    } else if (state.phase === "opening") {
      // Nothing may come before the last Login Response.
      await this.#native.closeConnection(id, "a PDU came before the login was answered");
    } else if (opcode === OPCODE.TEXT_REQUEST) {
      const answer = state.text.answer(bhs, data);
      this.#native.send(id, answer.bhs, answer.data, "continue");
    } else if (opcode === OPCODE.LOGOUT_REQUEST) {
      await this.#logout(id, state.session, bhs);
    } else if (opcode === OPCODE.TASK_MANAGEMENT_REQUEST && state.session.nexus !== 0) {
      await this.#taskManagement(id, state.session, bhs);
    } else {
      this.#native.send(id, encodeReject(REJECT_REASON.PROTOCOL_ERROR), bhs, "continue");
    }
  }

  // ------------------------------------------------------------------------------------------ sessions

  async #login(connection: Connection, step: LoginStep): Promise<void> {
    switch (step.type) {
      case "respond":
        this.#native.send(connection.id, step.bhs, step.data, "continue");
        return;
      case "refuse": {
        const { remote } = connection;
        this.#log.warn({ remote, status: step.status.toString(16).padStart(4, "0"), reason: step.reason }, "login refused"); // prettier-ignore
        this.#native.send(connection.id, step.bhs, null, "close");
        return;
      }
      case "complete":
        connection.state = { phase: "opening", result: step.result };
        await this.#openSession(connection, step.result, step.finish);
        return;
    }
  }

  async #openSession(
    connection: Connection,
    result: LoginResult,
    finish: (LoginStep & { type: "complete" })["finish"],
  ): Promise<void> {
    if (result.session === "normal") await this.#reinstate(connection, result);
    // While its older session was ended the initiator may have gone, or have logged in again.
    if (!this.#connections.has(connection.id)) return;
    const session: Session = {
      ...result,
      tsih: this.#freeTsih(),
      nexus: result.session === "normal" ? ++this.#lastNexus : 0,
    };
    connection.state = {
      phase: "open",
      session,
      text: new TextExchange(this.#discovery, result.session, connection.local),
    };
    const { bhs, data } = finish(session.tsih);
    this.#native.send(connection.id, bhs, data, "fullFeature", parametersOf(session, this.options.lun));
    // In the same turn, so that the addon has it before the initiator has the response.
    if (session.nexus !== 0)
      this.#unit.addNexus(session.nexus, `${session.initiatorName},i,0x${session.isid}`);
    const { initiatorName, initiatorAlias, isid, tsih, negotiated } = session;
    this.#log.info(
      { connection: connection.id, remote: connection.remote, session: session.session, initiatorName, initiatorAlias, isid, tsih, negotiated }, // prettier-ignore
      "session opened",
    );
  }

  /** Session reinstatement, RFC 7143: the same initiator port logs in again, its older session ends first. So does a login that
   * still waits for the end of another one: the last to log in is the one that stays. */
  async #reinstate(connection: Connection, { initiatorName, isid }: LoginResult): Promise<void> {
    const older = [...this.#connections.values()].filter((other) => {
      const login = other === connection ? null : loginOf(other);
      return login?.session === "normal" && login.initiatorName === initiatorName && login.isid === isid;
    });
    await Promise.all(
      older.map(async ({ id }) => {
        await this.#native.closeConnection(id, "session reinstated");
        this.#disconnected(id, "session reinstated");
      }),
    );
  }

  #freeTsih(): number {
    const used = new Set(this.#openConnections().map(({ session }) => session.tsih));
    do this.#lastTsih = (this.#lastTsih % 0xffff) + 1;
    while (used.has(this.#lastTsih));
    return this.#lastTsih;
  }

  async #logout(id: number, session: Session, bhs: Buffer): Promise<void> {
    const { defaultTime2Wait: time2Wait, defaultTime2Retain: time2Retain } = session.negotiated;
    const answer = answerLogout(bhs, { cid: session.cid, time2Wait, time2Retain });
    if (answer.closes && session.nexus !== 0) await this.#native.abort({ nexus: session.nexus });
    this.#native.send(id, answer.bhs, null, answer.closes ? "close" : "continue");
  }

  // ------------------------------------------------------------------------------------------ task management

  async #taskManagement(id: number, session: Session, bhs: Buffer): Promise<void> {
    const plan = planTaskManagement(bhs, session.nexus, this.options.lun);
    const { itt, cmdSn, function: taskFunction } = decodeTaskManagementRequest(bhs);
    // What the initiator sends after it is not its concern.
    const before = { nexus: session.nexus, cmdSn };
    this.#log.info({ connection: id, initiatorName: session.initiatorName, taskFunction, plan: plan.type }, "task management"); // prettier-ignore
    await carryOut(plan, {
      abort: (filter) => this.#native.abort({ ...filter, before }),
      clearTaskSet: () => this.#unit.clearTaskSet(before),
      reset: (attention) => this.#unit.reset(attention),
      respond: (response, then) =>
        this.#native.send(id, encodeTaskManagementResponse(itt, response), null, then),
      closeOthers: () => this.#closeOthers(id, "target cold reset"),
    });
  }

  async #closeOthers(id: number, reason: string): Promise<void> {
    const others = [...this.#connections.keys()].filter((other) => other !== id);
    await Promise.all(others.map((other) => this.#native.closeConnection(other, reason)));
  }
}
