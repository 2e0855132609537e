/** A replica, or a witness, as its node's agent is asked to run it: the command line that Longhorn's manager gives it. Pure. Facts:
 * instance-manager.md section 7. */
import { join } from "node:path";
import type { InstanceSpec } from "../../proto/instance-manager.js";
import type { Resource } from "../objects/resource.js";
import { listenHost, newInstance } from "./new-instance.js";
import { RECEIVERS, REPLICA_PORTS } from "./limits.js";

/** Where its data are, on its node. */
export function directoryOf({ spec }: Resource<"Replica" | "Witness">): string {
  return join(spec.diskPath, "replicas", spec.dataDirectoryName);
}

/** @param binary path of `longhorn` on that node
 * @param host of the node: it is reached there, and nowhere else */
export function replicaInstance(replica: Resource<"Replica">, binary: string, host: string): InstanceSpec {
  const { spec, metadata } = replica;
  return newInstance(metadata.name, {
    ...{ type: "replica", volumeName: spec.volumeName, binary },
    portCount: REPLICA_PORTS,
    portArgs: [`--listen,${listenHost(host)}:`],
    args: [
      ...["--volume-name", spec.volumeName, "replica", directoryOf(replica), "--size", spec.volumeSize],
      ...(spec.revisionCounterDisabled ? ["--disableRevCounter"] : []),
      ...(spec.unmapMarkDiskChainRemovedEnabled ? ["--unmap-mark-disk-chain-removed"] : []),
      ...["--replica-instance-name", metadata.name, "--sync-agent-port-count", String(RECEIVERS)],
      ...["--snapshot-max-count", String(spec.snapshotMaxCount)],
      ...["--snapshot-max-size", spec.snapshotMaxSize],
    ],
  });
}

export function witnessInstance(witness: Resource<"Witness">, binary: string, host: string): InstanceSpec {
  const { spec, metadata } = witness;
  return newInstance(metadata.name, {
    ...{ type: "replica", volumeName: spec.volumeName, binary },
    ...{ portCount: 1, portArgs: [`--listen,${listenHost(host)}:`] },
    args: ["--volume-name", spec.volumeName, "witness", directoryOf(witness)],
  });
}
