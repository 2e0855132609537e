/**
 * Tells the copies' sync agents how fast they may send files, as the volume's users allow (copy-pace.ts): an agent sees no more than that
 * its own replica is used. It limits itself when nobody tells it.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import { SyncPace } from "../proto/sync-pace.js";
import { syncAgentAddress } from "./client/addresses.js";
import { Connection } from "./client/connections.js";
import type { CopyPacer } from "./copy-pacer.js";
import { COPY_PACE_PERIOD_MS, FILE_PACE_MS } from "./limits.js";
import { isLonghorn } from "./longhorn/longhorn-link.js";
import type { Slot } from "./slot.js";

/** A copy's sync agent. */
interface Source {
  agent: Connection<typeof SyncPace>;
  /** bytes, as it told last; null: never */
  sent: number | null;
  /** it has sent something in the last period */
  active: boolean;
}

export interface FilePacerOptions {
  volume: string;
  slots: readonly Slot[];
  pacer: CopyPacer;
  signal: AbortSignal;
  log: Logger;
}

export class FilePacer {
  readonly #sources = new Map<string, Source>();
  #users = 0;
  #telling = false;
  /** since it began to tell: bytes that were sent, and the lowest pace, bytes per second; null: there was no limit */
  #sent = 0;
  #lowest: number | null = null;

  constructor(private readonly options: FilePacerOptions) {}

  /** Files are sent by copies during `work`. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    this.#users += 1;
    if (!this.#telling) void this.#tell();
    try {
      return await work();
    } finally {
      this.#users -= 1;
    }
  }

  /** Somebody else lets files be sent to a replica that is being rebuilt. */
  watch(slot: Slot): void {
    const { slots, signal } = this.options;
    const isRebuilt = () => slots.includes(slot) && slot.state.mode === "RESYNC" && slot.ordered;
    void this.during(async () => {
      while (isRebuilt() && !signal.aborted) await this.#pause();
    });
  }

  async #tell(): Promise<void> {
    const { pacer, signal, log } = this.options;
    this.#telling = true;
    [this.#sent, this.#lowest] = [0, null];
    await pacer.during(async () => {
      while (this.#users > 0 && !signal.aborted) {
        await this.#tellAll();
        await this.#pause();
      }
    });
    log.info(
      { sentBytes: this.#sent, lowestBytesPerSecond: this.#lowest },
      "files were sent beside the volume's users",
    );
    for (const { agent } of this.#sources.values()) agent.close();
    this.#sources.clear();
    this.#telling = false;
    // Others may have begun in the meantime.
    if (this.#users > 0 && !signal.aborted) void this.#tell();
  }

  async #tellAll(): Promise<void> {
    const { slots, pacer } = this.options;
    const copies = slots.filter(({ state, link }) => state.mode === "RW" && !isLonghorn(link));
    const sources = copies.map(({ address }) => this.#sourceAt(address));
    // Those that send share what is allowed.
    const sharing = Math.max(1, sources.filter(({ active }) => active).length);
    const rate = pacer.bytesPerSecond;
    // While it listens nothing is sent for a moment: that is no pace.
    if (rate !== null && rate > 0) this.#lowest = Math.min(rate, this.#lowest ?? Infinity);
    const pace = {
      limited: rate !== null,
      bytesPerSecond: Math.ceil((rate ?? 0) / sharing),
      forMs: FILE_PACE_MS,
    };
    await Promise.all(sources.map((source) => this.#tellOne(source, pace)));
  }

  async #tellOne(
    source: Source,
    pace: { limited: boolean; bytesPerSecond: number; forMs: number },
  ): Promise<void> {
    try {
      const { sentBytes } = await source.agent.call(
        "failed to tell how fast files may be sent",
        (calls, options) => calls.set(pace, options),
        FILE_PACE_MS,
      );
      const before = source.sent ?? sentBytes;
      source.active = sentBytes > before;
      // It may be another process by now.
      const sent = Math.max(0, sentBytes - before);
      this.options.pacer.note(sent);
      this.#sent += sent;
      source.sent = sentBytes;
    } catch (err) {
      source.active = false;
      this.options.log.debug({ err, replica: source.agent.address }, "a sync agent limits itself");
    }
  }

  #sourceAt(address: string): Source {
    const known = this.#sources.get(address);
    if (known !== undefined) return known;
    const agent = new Connection(SyncPace, syncAgentAddress(address), { volumeName: this.options.volume });
    const source: Source = { agent, sent: null, active: false };
    this.#sources.set(address, source);
    return source;
  }

  async #pause(): Promise<void> {
    await sleep(COPY_PACE_PERIOD_MS, undefined, { signal: this.options.signal }).catch(() => undefined);
  }
}
