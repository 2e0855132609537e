/** EngineWatch on a controller: what its clients would ask for again and again is told when it changes. */
import type { EngineState, EngineWatch, EngineWatchStreams } from "../../proto/engine-watch.js";
import { untilGone, type StreamHandlers } from "../../proto/server-stream.js";
import type { Handlers } from "../../proto/unary.js";
import type { Controller } from "./controller.js";

export function totalsHandlers(controller: Controller): Handlers<typeof EngineWatch> {
  return { totals: () => Promise.resolve({ totals: controller.totals() }) };
}

export function watchHandlers(controller: Controller): StreamHandlers<typeof EngineWatchStreams> {
  return {
    watch: async (_request, { send, signal }) => {
      let told = "";
      let looking: NodeJS.Immediate | undefined;
      const look = () => {
        looking = undefined;
        const state = stateOf(controller);
        const text = JSON.stringify(state);
        if (text === told) return;
        told = text;
        send(state);
      };
      look();
      // What changes together is told once.
      const end = controller.watch(() => (looking ??= setImmediate(look)));
      await untilGone(signal);
      end();
      clearImmediate(looking);
    },
  };
}

function stateOf(controller: Controller): EngineState {
  return {
    volume: controller.volume(),
    replicas: controller
      .replicas()
      .map(({ address, mode }) => ({ address: { address, instanceName: "" }, mode })),
    changes: controller.changes,
    witness: controller.witness(),
  };
}
