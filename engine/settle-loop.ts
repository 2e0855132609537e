/** Lets replicas forget which regions were written, once all copies hold the same durably. */
import type { Logger } from "pino";
import type { NativeError, Volume } from "../native/index.js";
import { SETTLE_INTERVAL_MS } from "./limits.js";
import type { ReplicaSet } from "./replica-set.js";

export class SettleLoop {
  readonly #timer: NodeJS.Timeout;
  #settled = "";
  #running: Promise<void> | null = null;

  constructor(
    private readonly volume: Pick<Volume, "settle" | "stats">,
    private readonly replicas: Pick<ReplicaSet, "beginSettlement" | "wantsSettlement">,
    private readonly log: Logger,
  ) {
    this.#timer = setInterval(() => this.#tick(), SETTLE_INTERVAL_MS).unref();
  }

  /** Ends the loop. A round under way is not waited for: it may be held by a replica that is away. */
  stop(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    const { writes, unmaps, writtenBytes } = this.volume.stats();
    const changes = `${writes}/${unmaps}/${writtenBytes}`;
    if (this.#running !== null || (changes === this.#settled && !this.replicas.wantsSettlement)) return;
    this.#running = this.#settle(changes).finally(() => {
      this.#running = null;
    });
  }

  async #settle(changes: string): Promise<void> {
    try {
      const settled = this.replicas.beginSettlement();
      await this.volume.settle();
      this.#settled = changes;
      await settled();
    } catch (err) {
      // A replica that goes away ends the round; the next one starts from scratch.
      const level = (err as NativeError).code === "ABORTED" ? "debug" : "warn";
      this.log[level]({ err }, "settlement failed; it is tried again");
    }
  }
}
