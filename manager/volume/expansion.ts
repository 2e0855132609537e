/** Whether a volume may become larger. Pure. Facts: manager.md section 11. */
import type { Resource } from "../objects/resource.js";
import { bytesOf, formatBytes } from "../objects/bytes.js";
import { RuleError } from "../rule-error.js";
import type { Cluster } from "../schedule/cluster.js";
import { promisable } from "../schedule/space.js";
import { isCloning } from "./cloning.js";
import { fitsSnapshots } from "./validation.js";

/** @param size bytes, wanted
 * @param copies names of volumes that become copies of it
 * @throws {RuleError} */
export function checkExpansion(
  volume: Resource<"Volume">,
  size: number,
  replicas: readonly Resource<"Replica">[],
  copies: readonly string[],
  cluster: Cluster,
): void {
  const { metadata, spec, status } = volume;
  const refuse = (why: string) => new RuleError("REFUSED", `volume ${metadata.name}: size: ${why}`);
  const present = bytesOf(spec.size);
  if (size < present)
    throw refuse(
      `a volume cannot become smaller: it has ${formatBytes(present)}, ${formatBytes(size)} are asked for`,
    );
  // A copy is as large as what it is of, or it fails for good.
  if (size > present && copies.length > 0)
    throw refuse(`it is being copied into ${copies.join(", ")}, which has to be whole, or gone, first`);
  if (size > present && isCloning(volume)) throw refuse(`it is being copied from ${spec.dataSource}, and has to be whole first`); // prettier-ignore
  if (size > present && !fitsSnapshots(size, bytesOf(spec.snapshotMaxSize)))
    throw refuse(
      `its snapshotMaxSize is ${formatBytes(bytesOf(spec.snapshotMaxSize))}, and has to be 0 or at least twice the size, ${formatBytes(2 * size)}: change that first`,
    );
  if (spec.Standby) throw refuse("a standby volume is not expanded");
  if (status.robustness === "faulted") throw refuse("the volume is faulted");
  if (status.state !== "attached" && status.state !== "detached")
    throw refuse(
      `the volume has to be attached or detached, not ${status.state === "" ? "creating" : status.state}`,
    );
  const scheduled = status.conditions.find(({ type }) => type === "Scheduled");
  if (scheduled !== undefined && scheduled.status !== "True")
    throw refuse(`not all replicas have a place: ${scheduled.message}`);
  const disks = cluster.nodes.flatMap((node) => node.disks.map((disk) => ({ node: node.name, disk })));
  for (const replica of replicas) {
    const found = disks.find(({ disk }) => disk.uuid !== "" && disk.uuid === replica.spec.diskID);
    if (found === undefined) continue;
    const room = promisable(found.disk, cluster.rules);
    if (room < size - present)
      throw refuse(
        `disk ${found.disk.name} of node ${found.node} can be promised ${formatBytes(Math.max(0, room))} more, less than the ${formatBytes(size - present)} that the volume would grow by`,
      );
  }
}
