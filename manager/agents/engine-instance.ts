/** An engine as its node's agent is asked to run it: the command line that Longhorn's manager gives it. Pure. Facts:
 * instance-manager.md section 7. */
import type { InstanceSpec } from "../../proto/instance-manager.js";
import type { Resource } from "../objects/resource.js";
import type { SettingValues } from "../settings/settings.js";
import { ENGINE_PORTS } from "./limits.js";
import { listenHost, newInstance, OBJECT_UID_FLAG } from "./new-instance.js";

/** As engines know them. */
const FRONTENDS: Readonly<Record<string, string>> = { blockdev: "tgt-blockdev", iscsi: "tgt-iscsi" };

/** @returns "" when it has none */
export function frontendOf({ spec }: Resource<"Engine">): string {
  return spec.disableFrontend ? "" : (FRONTENDS[spec.frontend] ?? "");
}

/** @param address `ip:port` */
export function replicaUrl(address: string): string {
  return `tcp://${address}`;
}

/** @param witness `ip:port`; "": it has none that runs
 * @param hasData the volume was served before */
export function engineInstance(
  engine: Resource<"Engine">,
  witness: string,
  hasData: boolean,
  binary: string,
  host: string,
  settings: SettingValues,
): InstanceSpec {
  const { spec, status, metadata } = engine;
  return newInstance(metadata.name, {
    ...{ type: "engine", volumeName: spec.volumeName, binary },
    portCount: ENGINE_PORTS,
    portArgs: [`--listen,${listenHost(host)}:`, `--portal,${listenHost(host)}:`],
    args: [
      ...["--engine-instance-name", metadata.name, "controller", spec.volumeName],
      ...[OBJECT_UID_FLAG, metadata.uid, "--frontend", frontendOf(engine)],
      ...(spec.revisionCounterDisabled ? ["--disableRevCounter"] : []),
      ...(spec.salvageRequested ? ["--salvageRequested"] : []),
      ...(hasData ? ["--has-data"] : []),
      ...["--size", spec.volumeSize, "--current-size", status.currentSize],
      ...["--engine-replica-timeout", settings.text("engine-replica-timeout")],
      ...["--file-sync-http-client-timeout", settings.text("replica-file-sync-http-client-timeout")],
      ...(spec.unmapMarkSnapChainRemovedEnabled ? ["--unmap-mark-snap-chain-removed"] : []),
      ...["--snapshot-max-count", String(spec.snapshotMaxCount)],
      ...["--snapshot-max-size", spec.snapshotMaxSize],
      ...Object.values(spec.replicaAddressMap).flatMap((address) => ["--replica", replicaUrl(address)]),
      ...(witness === "" ? [] : ["--witness", witness]),
    ],
  });
}
