/** A replica in the node's replica daemon. */
import { setTimeout as sleep } from "node:timers/promises";
import { errorText, isExpired, isUnavailable } from "../../proto/rpc-error.js";
import { Instance, type InstanceHome } from "./instance.js";
import { REHOST_ATTEMPTS_MAX, RESTART_DELAY_MS, RESTART_DELAY_MS_MAX } from "./limits.js";
import type { InstanceRecord } from "./records.js";
import type { ReplicaDaemon } from "./replica-daemon.js";
import { Serial } from "../../replica/serial.js";

export class HostedInstance extends Instance {
  readonly #turns = new Serial();

  constructor(
    record: InstanceRecord,
    key: string,
    home: InstanceHome,
    private readonly daemon: ReplicaDaemon,
  ) {
    super(record, key, home);
  }

  begin(): void {
    void this.#turns.run(() => this.#host(this.record.hasRun ? REHOST_ATTEMPTS_MAX : 1));
  }

  protected override async resume(): Promise<void> {
    if (this.record.status.state === "stopping") this.end();
    // What is hosted is left as it is.
    else this.begin();
    return Promise.resolve();
  }

  /** The daemon has crashed. */
  hostAgain(): void {
    if (this.isOver || this.record.status.state === "stopping") return;
    this.apply({ type: "crashed", reason: "the replica host has crashed" });
    void this.#turns.run(() => this.#host(REHOST_ATTEMPTS_MAX));
  }

  async #host(attempts: number): Promise<void> {
    const { record } = this;
    const request = { name: this.name, args: record.spec.args, logFile: this.logFile };
    for (let attempt = 1; !this.isOver && record.status.state !== "stopping";) {
      try {
        await this.daemon.host(request);
        this.apply({ type: "ready" });
        return;
      } catch (err) {
        this.log.warn({ err, attempt }, "replica could not be hosted");
        if (isUnavailable(err)) return; // the daemon has crashed: `hostAgain` comes next
        if (isExpired(err)) continue; // it goes on there: whoever asks again waits for the same
        if (attempt >= attempts) {
          this.apply({ type: "failed", reason: errorText(err) });
          return;
        }
        await sleep(RESTART_DELAY_MS * attempt++);
      }
    }
  }

  protected end(): void {
    void this.#turns.run(async () => {
      while (!this.isOver) {
        try {
          await this.daemon.unhost(this.name);
          break;
        } catch (err) {
          this.log.warn({ err }, "replica could not be let go");
          // With the daemon its replicas have gone; otherwise its ports are in use until it is closed.
          if (isUnavailable(err)) break;
          await sleep(RESTART_DELAY_MS_MAX);
        }
      }
      this.apply({ type: "ended", ending: { code: 0, signal: null }, said: "" });
    });
  }
}
