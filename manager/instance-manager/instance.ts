/** One engine or replica of the node, or whatever program was asked for: its record, its status, and how it goes away. */
import { join } from "node:path";
import type { Logger } from "pino";
import type { Leftovers } from "./leftovers.js";
import type { InstanceRecord, Records } from "./records.js";
import { nextStatus, type StatusEvent } from "./status.js";

/** What instances have in common. */
export interface InstanceHome {
  records: Records;
  /** present */
  bootId: string;
  stateDirectory: string;
  logsDirectory: string;
  /** its status or conditions have changed */
  onChange: (instance: Instance) => void;
  /** it has ended, and was to be deleted */
  onGone: (instance: Instance) => void;
  /** of what has gone: its log is kept for a while */
  leftovers: Leftovers;
  log: Logger;
}

/** @param name of an instance */
export function logIn(logsDirectory: string, name: string): string {
  return join(logsDirectory, `${name}.log`);
}

export abstract class Instance {
  conditions: Readonly<Record<string, boolean>> = {};
  protected readonly log: Logger;
  #over: () => void = () => undefined;
  /** Resolves when it is stopped, or an error. */
  readonly over: Promise<void>;
  #settle: () => void = () => undefined;
  /** Resolves when it runs for the first time, or is over. */
  readonly settled: Promise<void>;
  #isLeaving = false;
  /** another one has its place, and its record */
  #replaced = false;

  /** @param key of the record: the name, but for one that is to replace another */
  constructor(
    readonly record: InstanceRecord,
    public key: string,
    protected readonly home: InstanceHome,
  ) {
    this.log = home.log.child({ instance: record.spec.name });
    this.over = new Promise((resolve) => (this.#over = resolve));
    this.settled = new Promise((resolve) => (this.#settle = resolve));
  }

  get name(): string {
    return this.record.spec.name;
  }

  get isOver(): boolean {
    const { state } = this.record.status;
    return state === "stopped" || state === "error";
  }

  get logFile(): string {
    return logIn(this.home.logsDirectory, this.name);
  }

  /** Starts it; what comes of it is told by its status. */
  abstract begin(): void;

  /** Finds it again after the end of another agent in this boot. */
  protected abstract resume(): Promise<void>;

  /** Asks it to end. */
  protected abstract end(): void;

  /** Takes over what another agent has left. */
  async adopt(): Promise<void> {
    const { record, home } = this;
    if (record.bootId !== home.bootId) {
      record.process = null;
      this.apply({ type: "failed", reason: "the machine was restarted since it was started" });
    } else if (!this.isOver) await this.resume();
    this.#resolve();
    if (record.deleting) await this.delete();
  }

  /** Ends it, and takes it from the list when it has ended. Idempotent. Resolves when the next agent would do so, too. */
  async delete(): Promise<void> {
    this.record.deleting = true;
    if (!this.#isLeaving) {
      this.#isLeaving = true;
      void this.over.then(() => this.#remove());
    }
    if (this.isOver) return;
    this.apply({ type: "stop" });
    await this.home.records.write(this.key, this.record).catch((err: unknown) => {
      this.log.error({ err }, "a deletion could not be recorded");
    });
    this.end();
  }

  /** Ends it; it stays in the list. Idempotent. */
  stop(): void {
    this.apply({ type: "stop" });
    this.save();
    this.end();
  }

  async #remove(): Promise<void> {
    // Before it is forgotten: its log would stay for ever.
    await this.home.leftovers.note(this.name);
    await this.home.records.remove(this.key).catch((err: unknown) => {
      this.log.error({ err }, "the record of an instance could not be removed");
    });
    this.log.info({}, "instance deleted");
    this.home.onGone(this);
  }

  protected apply(event: StatusEvent): void {
    const { record } = this;
    const before = record.status;
    record.status = nextStatus(before, event);
    if (record.status === before) return;
    const { state, errorMsg } = record.status;
    if (state === "running") record.hasRun = true;
    if (before.state !== state)
      this.log.info({ from: before.state, to: state, errorMsg }, "instance state changed");
    this.save();
    this.#resolve();
    this.home.onChange(this);
  }

  #resolve(): void {
    if (this.isOver) this.#over();
    if (this.isOver || this.record.status.state === "running") this.#settle();
  }

  /** Another one has taken its place: nothing is noted about it any more. */
  protected leave(): void {
    this.#replaced = true;
  }

  setCondition(name: string, value: boolean): void {
    if (this.conditions[name] === value) return;
    this.conditions = { ...this.conditions, [name]: value };
    this.home.onChange(this);
  }

  /** In the background: a disk that is full must not keep processes from being looked after. */
  protected save(): void {
    if (this.#replaced) return;
    this.home.records.write(this.key, this.record).catch((err: unknown) => {
      this.log.error({ err }, "the record of an instance could not be written");
    });
  }
}
