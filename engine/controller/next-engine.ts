/** The volume given to the next engine, and taken back when that one cannot serve it. */
import { errorText } from "../../proto/rpc-error.js";
import type { AttachedVolume } from "../attached-volume.js";
import { withDeadline } from "../deadline.js";
import { holdAndRelease } from "../hand-over/give.js";
import { CLOSE_MS } from "../hand-over/limits.js";
import type { Gift } from "../hand-over/offer.js";
import type { FrontendSwitch } from "./frontend-switch.js";
import type { Frontend } from "./frontend.js";
import type { ReplicaEntry } from "./replica-entry.js";
import type { Start } from "./start.js";
import type { VolumeState } from "./volume-state.js";

/** What was handed over, while it may come back. */
interface Given {
  attached: AttachedVolume;
  /** null when none was up */
  frontend: Frontend | null;
  entries: ReplicaEntry[];
  unitState: Buffer | null;
}

export class NextEngine {
  #given: Given | null = null;

  constructor(
    private readonly state: VolumeState,
    private readonly frontend: FrontendSwitch,
    private readonly start: Start,
  ) {}

  get isGiven(): boolean {
    return this.#given !== null;
  }

  /** The replicas are closed as well: the next engine may come with other processes for their directories.
   * @throws {Error} and then the volume is kept */
  async give(): Promise<Gift> {
    const { state } = this;
    const attached = state.running();
    const rebuilt = state.entries.find(({ rebuild }) => rebuild !== null);
    if (rebuilt !== undefined) throw new Error(`replica ${rebuilt.address} is being rebuilt`);
    const foreign = state.entries.find(({ longhorn }) => longhorn);
    if (foreign !== undefined)
      throw new Error(`replica ${foreign.address} is Longhorn's: it knows nothing of a next engine`);
    const frontend = this.frontend.running;
    const gift = await holdAndRelease(attached, frontend, state.log);
    const { entries } = state;
    await Promise.all(
      entries
        .filter(({ unusable }) => unusable === null)
        .map((entry) =>
          withDeadline(entry.close(), CLOSE_MS).catch((err: unknown) =>
            state.log.warn({ err, replica: entry.address }, "replica could not be closed"),
          ),
        ),
    );
    this.#given = { attached, frontend, entries, unitState: gift.unit };
    state.attached = null;
    this.frontend.forget();
    state.entries = [];
    return gift;
  }

  /** The next engine serves: initiators are sent there. */
  async leave(): Promise<void> {
    await this.#letGo();
    this.state.log.info({}, "the volume was handed to another engine");
  }

  async #letGo(): Promise<void> {
    if (this.#given === null) return;
    const { attached, frontend, entries } = this.#given;
    this.#given = null;
    await frontend?.leave();
    // Operations that are held end with their volume.
    await Promise.all([frontend?.close(), attached.close()]);
    for (const entry of entries) entry.disconnect();
  }

  /** Serves it again.
   * @param after ids of the only engines that may have been in charge meanwhile
   * @throws {Error} what the volume cannot be served for any more */
  async goOn(after: readonly string[]): Promise<void> {
    const given = this.#given;
    if (given === null) return;
    const { size } = this.state;
    const addresses = given.entries.map(({ address }) => address);
    try {
      if (given.frontend !== null) this.frontend.choose(given.frontend.name);
      await this.start.begin(addresses, size, size, {
        unitState: given.unitState,
        after: { ids: after, generationMax: Infinity },
        crashed: false,
      });
      await this.#letGo();
    } catch (error) {
      throw new Error(`the volume cannot be served any more: ${errorText(error)}`, { cause: error });
    }
  }
}
