/** Calls of the proxy about a volume as a whole: the engine does them. */
import type { ProxyEngineService } from "../../../proto/instance-manager.js";
import type { Handlers } from "../../../proto/unary.js";
import { done, withEngine } from "./engine.js";

export const volumeCalls = {
  serverVersionGet: (request) =>
    withEngine(request, ({ engine }) =>
      engine.call(`failed to get version of ${engine.address}`, (calls, options) =>
        calls.versionDetailGet({}, options),
      ),
    ),
  volumeGet: (request) => withEngine(request, async (volume) => ({ volume: await volume.get() })),
  volumeExpand: ({ proxyEngineRequest, expand }) =>
    withEngine(proxyEngineRequest, ({ engine }) =>
      engine
        .call(`failed to expand volume ${engine.address}`, (calls, options) =>
          calls.volumeExpand({ size: expand?.size ?? 0 }, options),
        )
        .then(done),
    ),
  volumeFrontendStart: ({ proxyEngineRequest, frontendStart }) =>
    withEngine(proxyEngineRequest, ({ engine }) =>
      engine
        .call(`failed to start frontend for volume ${engine.address}`, (calls, options) =>
          calls.volumeFrontendStart({ frontend: frontendStart?.frontend ?? "" }, options),
        )
        .then(done),
    ),
  volumeFrontendShutdown: (request) =>
    withEngine(request, ({ engine }) =>
      engine
        .call(`failed to shutdown frontend for volume ${engine.address}`, (calls, options) =>
          calls.volumeFrontendShutdown({}, options),
        )
        .then(done),
    ),
  volumeUnmapMarkSnapChainRemovedSet: ({ proxyEngineRequest, unmapMarkSnap }) =>
    withEngine(proxyEngineRequest, ({ engine }) =>
      engine
        .call(`failed to set UnmapMarkSnapChainRemoved for volume ${engine.address}`, (calls, options) =>
          calls.volumeUnmapMarkSnapChainRemovedSet({ enabled: unmapMarkSnap?.enabled ?? false }, options),
        )
        .then(done),
    ),
  volumeSnapshotMaxCountSet: ({ proxyEngineRequest, count }) =>
    withEngine(proxyEngineRequest, ({ engine }) =>
      engine
        .call(`failed to set SnapshotMaxCount for volume ${engine.address}`, (calls, options) =>
          calls.volumeSnapshotMaxCountSet({ count: count?.count ?? 0 }, options),
        )
        .then(done),
    ),
  volumeSnapshotMaxSizeSet: ({ proxyEngineRequest, size }) =>
    withEngine(proxyEngineRequest, ({ engine }) =>
      engine
        .call(`failed to set SnapshotMaxSize for volume ${engine.address}`, (calls, options) =>
          calls.volumeSnapshotMaxSizeSet({ size: size?.size ?? 0 }, options),
        )
        .then(done),
    ),
  metricsGet: (request) =>
    withEngine(request, ({ engine }) =>
      engine.call(`failed to get metrics of ${engine.address}`, (calls, options) =>
        calls.metricsGet({}, options),
      ),
    ),
} satisfies Partial<Handlers<typeof ProxyEngineService>>;
