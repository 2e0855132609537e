/** Makes the replicas of a running volume larger, and then the volume. */
import { errorText } from "../../proto/rpc-error.js";
import { expansionErrorText, expansionFailure, isUndone } from "./expansion-failure.js";
import type { Expansion } from "./expansion.js";
import type { FrontendSwitch } from "./frontend-switch.js";
import { EXPAND_CALL_TIMEOUT_MS } from "./limits.js";
import type { Settings } from "./settings.js";
import { now } from "../timestamp.js";
import { expansionInTwoParts } from "./snapshot-request.js";
import type { VolumeState } from "./volume-state.js";

export class Expander {
  constructor(
    private readonly state: VolumeState,
    private readonly expansion: Expansion,
    private readonly settings: Settings,
    private readonly frontend: FrontendSwitch,
  ) {}

  /** What comes of an expansion that has begun is told by it. */
  async expand(size: number): Promise<void> {
    try {
      await this.#expandReplicas(size);
    } catch (error) {
      this.expansion.fail(errorText(error));
    } finally {
      this.expansion.end();
    }
  }

  async #expandReplicas(size: number): Promise<void> {
    const { state } = this;
    this.frontend.checkGrowth();
    await this.settings.checkRoom();
    const attached = state.running();
    const failed = await attached.replicas.changeTogether({
      apply: (peer) =>
        state
          .entryAt(peer)
          .call(
            `failed to expand replica ${peer} from remote`,
            (calls, options) => calls.replicaExpand({ size }, options),
            EXPAND_CALL_TIMEOUT_MS,
          ),
      snapshot: expansionInTwoParts(size, now(), EXPAND_CALL_TIMEOUT_MS),
    });
    const failures = new Map(
      [...failed].map(([peer, error]) => [state.entryAt(peer).address, expansionFailure(error)]),
    );
    const inVain = state.isInVain(failed);
    if (failures.size > 0) this.expansion.fail(expansionErrorText(failures, inVain));
    if (inVain) {
      // Those that are as they were go on; whoever may have changed cannot.
      for (const entry of state.entries) {
        const failure = failures.get(entry.address);
        if (failure !== undefined && !isUndone(failure))
          await attached.replicas.fail(entry.peer, failure.text);
      }
      return;
    }
    const before = state.size;
    // First the volume: an initiator that hears of it may use the whole at once.
    await attached.replicas.grow(size);
    state.size = size;
    await this.frontend.grow();
    state.log.info({ from: before, to: size, failed: [...failures.keys()] }, "volume expanded");
  }
}
