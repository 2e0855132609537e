/** Who the driver is, and what it can do. */
import { PluginServiceType, VolumeExpansionType, type Identity } from "../proto/csi.js";
import type { Handlers } from "../proto/unary.js";
import type { Driver } from "./driver.js";

export function identityHandlers({ name, version }: Driver): Handlers<typeof Identity> {
  return {
    getPluginInfo: () => Promise.resolve({ name, vendorVersion: version }),
    getPluginCapabilities: () =>
      Promise.resolve({
        capabilities: [
          { service: { type: PluginServiceType.CONTROLLER_SERVICE }, volumeExpansion: null },
          { service: { type: PluginServiceType.VOLUME_ACCESSIBILITY_CONSTRAINTS }, volumeExpansion: null },
          { service: null, volumeExpansion: { type: VolumeExpansionType.ONLINE } },
        ],
      }),
    probe: () => Promise.resolve({}),
  };
}
