/** Volumes of the manager: made, removed, attached, detached, expanded, and each waited for. */
import { status } from "@grpc/grpc-js";
import { RpcError } from "../proto/rpc-error.js";
import type { RestClient } from "../rest-client/client.js";
import { RestError } from "../rest-client/errors.js";
import type { FieldsOf, Volume } from "../rest-client/resources.js";
import { invalid, notFound, notNow, refused } from "./errors.js";
import { usableSnapshots } from "./snapshots.js";
import { waitFor } from "./waiting.js";

const REFUSED = 422;

/** What is made of a volume's name, when there is one already.
 * @throws {RpcError} NOT_FOUND */
export async function needVolume(manager: RestClient, name: string): Promise<Volume> {
  const volume = await manager.get("volumes", name);
  if (volume === null) throw notFound(`volume ${name} is not found`);
  return volume;
}

/** Makes it, or finds that it is made, and waits until it is more than a wish.
 * @throws {RpcError} ALREADY_EXISTS: one of that name is another one */
export async function createVolume(
  manager: RestClient,
  fields: FieldsOf<"volumes"> & { name: string; size: string },
): Promise<Volume> {
  const { name } = fields;
  const before = await manager.get("volumes", name);
  if (before !== null) checkSame(before, fields);
  else
    await manager.create("volumes", fields).catch(async (error: unknown) => {
      // Somebody else was first: what they made may be what is wanted.
      if (!(error instanceof RestError) || error.status !== REFUSED) throw error;
      const other = await manager.get("volumes", name);
      if (other === null) throw error;
      checkSame(other, fields);
    });
  return waitFor(async () => {
    const volume = await needVolume(manager, name);
    const { state } = volume;
    return state === "" || state === "creating" ? { missing: `volume ${name} is still creating` } : { done: volume }; // prettier-ignore
  });
}

function checkSame(there: Volume, { name, size, dataSource = "" }: FieldsOf<"volumes">): void {
  if (there.state === "deleting") throw notNow(`a volume ${String(name)} is being deleted`);
  const other = (what: string) =>
    new RpcError(status.ALREADY_EXISTS, `volume ${String(name)} exists already, ${what}`);
  if (there.size !== size)
    throw other(`with a size of ${there.size} bytes, where ${String(size)} are wanted`);
  if (there.dataSource !== dataSource)
    throw other(`made from ${there.dataSource || "nothing"}, where ${dataSource || "nothing"} is wanted`);
}

/** One that is not there is no error.
 * @throws {RpcError} FAILED_PRECONDITION: what is made of it, or of its snapshots, would be lost with it */
export async function deleteVolume(manager: RestClient, name: string): Promise<void> {
  try {
    const snapshots = await usableSnapshots(manager, name);
    if (snapshots.length > 0)
      throw refused(`volume ${name} has snapshots, which would go with it: ${snapshots.join(", ")}`);
    await manager.delete("volumes", name);
  } catch (error) {
    if (!(error instanceof RestError) || error.status !== 404) throw error;
  }
  await waitFor(async () =>
    (await manager.get("volumes", name)) === null
      ? { done: undefined }
      : { missing: `volume ${name} is still there` },
  );
}

export interface Attachment {
  volume: string;
  node: string;
  /** of the ticket */
  id: string;
}

/** Asks for the volume on a node, and waits until its device can be used there.
 * @throws {RpcError} ABORTED: it cannot be used now; INTERNAL: with the manager's reason */
export async function attachVolume(
  manager: RestClient,
  { volume: name, node, id }: Attachment,
  isShared: boolean,
): Promise<void> {
  const volume = await needVolume(manager, name);
  if (volume.state === "deleting") throw notNow(`volume ${name} is being deleted`);
  if (volume.frontend !== "blockdev")
    throw invalid(`volume ${name} has the frontend ${JSON.stringify(volume.frontend)}, which has no device`);
  if (isShared && volume.accessMode !== "rwx")
    await manager.act("volumes", name, "updateAccessMode", { accessMode: "rwx" });
  if (!volume.ready) throw notNow(`volume ${name} cannot be used now: ${whyNotReady(volume)}`);
  await manager.act("volumes", name, "attach", { hostId: node, disableFrontend: false, attacherType: "csi-attacher", attachmentID: id }); // prettier-ignore
  await waitFor(async () => {
    const now = await needVolume(manager, name);
    const ticket = now.volumeAttachment.attachments[id];
    // Who detaches it meanwhile, by force, is not to be worked against.
    if (ticket === undefined) throw notNow(`volume ${name} is being detached from ${node}`);
    const reason = ticket.conditions.find(({ type, status }) => type === "Satisfied" && status === "False");
    if (!ticket.satisfied && reason !== undefined && reason.message !== "")
      throw new RpcError(status.INTERNAL, `volume ${name} is not attached to ${node}: ${reason.message}`);
    const isThere = ticket.satisfied && now.state === "attached" && endpointOn(now, node) !== "";
    return isThere ? { done: undefined } : { missing: `volume ${name} is ${now.state}, not attached to ${node}` }; // prettier-ignore
  });
}

/** The device of the volume on a node, "" where there is none. */
export function endpointOn(volume: Volume, node: string): string {
  return engineOn(volume, node)?.endpoint ?? "";
}

/** @returns bytes that the device of the volume on a node has to have now: one that is to grow, and may not for hours, can be used
 * meanwhile */
export function sizeOn(volume: Volume, node: string): number {
  // One that has just been started has told none yet.
  return Math.min(Number(volume.size), Number(engineOn(volume, node)?.size ?? "") || Infinity);
}

function engineOn({ controllers }: Volume, node: string) {
  return (controllers ?? []).find(({ hostId, running }) => hostId === node && running);
}

export function whyNotReady({
  state,
  robustness,
  conditions,
  dataSource,
  cloneStatus,
  restoreRequired,
  controllers,
}: Volume): string {
  if (robustness === "faulted") return "no replica of it is usable";
  if (dataSource !== "" && cloneStatus.state !== "completed")
    return `it is being cloned from ${dataSource} (${cloneStatus.state || "not begun"})`;
  if (restoreRequired) return "it is being restored from a backup";
  const scheduled = conditions["Scheduled"];
  if (scheduled?.status === "False") return `its replicas have no place: ${scheduled.message}`;
  return `it is ${state}${(controllers ?? []).length > 0 ? ", used for work of the system" : ""}`;
}

/** One that is not there, or not attached, is no error.
 * @param node "": from all nodes, whoever wants it there */
export async function detachVolume(
  manager: RestClient,
  { volume: name, node, id }: Attachment,
): Promise<void> {
  if ((await manager.get("volumes", name)) === null) return;
  const forceDetach = node === "";
  await manager
    .act("volumes", name, "detach", { attachmentID: id, hostId: node, forceDetach })
    .catch((error: unknown) => {
      if (!(error instanceof RestError) || error.status !== 404) throw error;
    });
  await waitFor(async () => {
    const volume = await manager.get("volumes", name);
    const tickets = volume?.volumeAttachment.attachments ?? {};
    const isGone =
      volume === null ||
      (forceDetach
        ? volume.state === "detached"
        : tickets[id] === undefined && endpointOn(volume, node) === "");
    // Others may want it on this node as well: then it stays, and is theirs.
    const isOthers = Object.values(tickets).some((ticket) => ticket.nodeID === node);
    return isGone || (tickets[id] === undefined && isOthers)
      ? { done: undefined }
      : { missing: `volume ${name} is ${volume.state}, not detached from ${node || "its nodes"}` };
  });
}

/** @param size bytes
 * @returns the volume as it is then; larger ones stay
 * @throws {RpcError} OUT_OF_RANGE: there is no room; FAILED_PRECONDITION: not in this state */
export async function expandVolume(manager: RestClient, name: string, size: number): Promise<Volume> {
  const volume = await needVolume(manager, name);
  if (Number(volume.size) < size) {
    if (volume.state !== "attached" && volume.state !== "detached")
      throw refused(`volume ${name} is ${volume.state}: it has to be attached or detached`);
    if (volume.robustness === "faulted") throw refused(`volume ${name} is faulted`);
    await manager.act("volumes", name, "expand", { size: String(size) }).catch((error: unknown) => {
      if (error instanceof RestError && error.status === REFUSED)
        throw new RpcError(status.OUT_OF_RANGE, error.message, { cause: error });
      throw error;
    });
  }
  return waitFor(async () => {
    const now = await needVolume(manager, name);
    const [engine] = now.controllers ?? [];
    if (
      engine !== undefined &&
      engine.lastExpansionError !== "" &&
      !engine.isExpanding &&
      Number(engine.size) < size
    )
      throw new RpcError(status.INTERNAL, `volume ${name}: expansion failed: ${engine.lastExpansionError}`);
    const isLarge = Number(now.size) >= size && (engine === undefined || isExpanded(engine, size));
    return isLarge
      ? { done: now }
      : { missing: `volume ${name} has ${engine?.size ?? now.size} bytes, not ${size}` };
  });
}

/** An engine that has never run has no size: it starts with the volume's. */
function isExpanded({ size, isExpanding }: { size: string; isExpanding: boolean }, wanted: number): boolean {
  return !isExpanding && (size === "0" || size === "" || Number(size) >= wanted);
}
