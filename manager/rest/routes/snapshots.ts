/** Snapshots of a volume: what its engine has, and the objects that stand for them. */
import { randomBytes } from "node:crypto";
import { FINALIZER, type Resource } from "../../objects/resource.js";
import { isBeingCloned } from "../../volume/cloning.js";
import { snapshotName } from "../../snapshot/name.js";
import { ownLabels } from "../../volume/objects.js";
import { loadSettings } from "../../settings/stored.js";
import { need, volumeView, type Backend } from "../backend.js";
import { ApiError, missing, notAvailable } from "../http/errors.js";
import { collection, EMPTY, item, type Call, type Reply, type Route } from "../http/router.js";
import { snapshotObjectToResource, snapshotToResource } from "../resources/snapshot.js";
import { checkInput } from "../schemas/input.js";
import { volumeAction } from "./volume-actions.js";
import { volumeReply } from "./volumes.js";

export function snapshotRoutes(backend: Backend): Route[] {
  return [
    volumeAction("snapshotCreate", (name, call) => createSnapshot(backend, name, call)),
    volumeAction("snapshotList", async (name) => {
      const { snapshots } = await snapshotsOf(backend, name);
      return collection("snapshot", snapshots);
    }),
    volumeAction("snapshotGet", async (name, call) => {
      const wanted = await givenName(call);
      return item(await snapshotItem(backend, name, wanted));
    }),
    volumeAction("snapshotDelete", (name, call) => deleteSnapshot(backend, name, call)),
    volumeAction("snapshotRevert", (name, call) => revert(backend, name, call)),
    volumeAction("snapshotPurge", (name) => purge(backend, name)),
    volumeAction("trimFilesystem", (name) => trim(backend, name)),
    volumeAction("snapshotBackup", async (name, call) => {
      checkInput("snapshotInput", await call.body(), { uses: ["name", "labels", "backupMode"], ignores: ["backupTargetName"] }); // prettier-ignore
      await need(backend, "Volume", "volume", name);
      throw notAvailable("backups");
    }),
    volumeAction("snapshotCRCreate", (name, call) => createObject(backend, name, call)),
    volumeAction("snapshotCRList", async (name) => {
      await need(backend, "Volume", "volume", name);
      return collection("snapshotCR", (await objectsOf(backend, name)).map(snapshotObjectToResource));
    }),
    volumeAction("snapshotCRGet", async (name, call) => {
      const wanted = await objectName(call);
      const object = await objectOf(backend, name, wanted);
      if (object === null) throw missing("snapshotCR", wanted);
      return item(snapshotObjectToResource(object));
    }),
    volumeAction("snapshotCRDelete", async (name, call) => {
      const object = await objectOf(backend, name, await objectName(call));
      if (object !== null) await backend.store.delete("Snapshot", object.metadata.name, object.metadata.uid);
      return item({ type: "empty", id: "", actions: [], body: {} });
    }),
  ];
}

/** @throws {ApiError} none runs: the volume is not attached */
async function runningEngine(backend: Backend, name: string): Promise<Resource<"Engine">> {
  const { volume, engines } = await volumeView(backend, await need(backend, "Volume", "volume", name));
  const engine = engines.find(({ status }) => status.currentState === "running");
  if (engine === undefined || volume.status.state !== "attached")
    throw new ApiError(
      "REFUSED",
      `volume ${name} has to be attached: it is ${volume.status.state || "creating"}`,
    );
  return engine;
}

/** An engine takes the removal of one that it does not have for done.
 * @throws {ApiError} it has none of that name */
async function needSnapshot({ engines }: Backend, engine: Resource<"Engine">, name: string): Promise<void> {
  if (!Object.hasOwn(await engines.listSnapshots(engine), name))
    throw missing(`snapshot of volume ${engine.spec.volumeName}:`, name);
}

async function givenName(call: Call): Promise<string> {
  const { name = "" } = checkInput("snapshotInput", await call.body(), { uses: ["name"], needs: ["name"] });
  if (name === "") throw new ApiError("INVALID", "snapshotInput: name is empty");
  return name;
}

/** Of an engine that runs it is asked; of another volume the last is told that its engine has said. */
async function snapshotsOf(backend: Backend, name: string) {
  const { engines } = await volumeView(backend, await need(backend, "Volume", "volume", name));
  const running = engines.find(({ status }) => status.currentState === "running");
  const found =
    running === undefined
      ? (engines[0]?.status.snapshots ?? {})
      : await backend.engines.listSnapshots(running);
  const objects = await objectsOf(backend, name);
  const snapshots = Object.values(found).map((snapshot) => {
    const object = objects.find((one) => snapshotName(one) === snapshot.name);
    return snapshotToResource(snapshot, object?.status.checksum ?? "");
  });
  return { snapshots };
}

async function snapshotItem(backend: Backend, volume: string, wanted: string) {
  const { snapshots } = await snapshotsOf(backend, volume);
  const found = snapshots.find(({ id }) => id === wanted);
  if (found === undefined) throw missing(`snapshot of volume ${volume}:`, wanted);
  return found;
}

async function createSnapshot(backend: Backend, volume: string, call: Call): Promise<Reply> {
  const { name = "", labels = {} } = checkInput("snapshotInput", await call.body(), {
    uses: ["name", "labels"],
  });
  if (name !== "") checkSnapshotName("snapshotInput", name);
  const engine = await runningEngine(backend, volume);
  if (Object.hasOwn(await backend.engines.listSnapshots(engine), name))
    throw new ApiError("REFUSED", `snapshotInput: name: snapshot ${name} of volume ${volume} exists already`);
  const made = await backend.engines.createSnapshot(engine, name, labels);
  return item(await snapshotItem(backend, volume, made));
}

async function deleteSnapshot(backend: Backend, volume: string, call: Call): Promise<Reply> {
  const name = await givenName(call);
  if (name === "volume-head")
    throw new ApiError("INVALID", "snapshotInput: name: volume-head is no snapshot");
  if (isBeingCloned(await backend.store.list("Volume"), volume, name))
    throw new ApiError("REFUSED", `snapshot ${name} of volume ${volume} is being copied into another volume`);
  const engine = await runningEngine(backend, volume);
  await needSnapshot(backend, engine, name);
  await backend.engines.deleteSnapshot(engine, name);
  return reply(backend, volume);
}

async function revert(backend: Backend, volume: string, call: Call): Promise<Reply> {
  const name = await givenName(call);
  if (name === "volume-head")
    throw new ApiError("INVALID", "snapshotInput: name: volume-head is no snapshot");
  const engine = await runningEngine(backend, volume);
  const { spec } = await need(backend, "Volume", "volume", volume);
  if (spec.Standby) throw new ApiError("REFUSED", `volume ${volume} is a standby volume`);
  if (!spec.disableFrontend)
    throw new ApiError("REFUSED", `volume ${volume} has to be attached with its frontend disabled: somebody may be using it`); // prettier-ignore
  await needSnapshot(backend, engine, name);
  await backend.engines.revertToSnapshot(engine, name);
  return EMPTY;
}

async function purge(backend: Backend, volume: string): Promise<Reply> {
  if ((await loadSettings(backend.store)).flag("disable-snapshot-purge"))
    throw new ApiError("REFUSED", "the setting disable-snapshot-purge is on");
  await backend.engines.startPurge(await runningEngine(backend, volume));
  return reply(backend, volume);
}

async function trim(backend: Backend, volume: string): Promise<Reply> {
  const { spec } = await runningEngine(backend, volume);
  await backend.nodes.trimFilesystem(spec.nodeID, volume);
  return reply(backend, volume);
}

async function reply(backend: Backend, volume: string): Promise<Reply> {
  return volumeReply(backend, await need(backend, "Volume", "volume", volume));
}

async function createObject(backend: Backend, volume: string, call: Call): Promise<Reply> {
  const given = checkInput("snapshotCRInput", await call.body(), { uses: ["name", "labels"] });
  const name = given.name || `snap-${randomBytes(8).toString("hex")}`;
  checkSnapshotName("snapshotCRInput", name);
  const { metadata } = await need(backend, "Volume", "volume", volume);
  if (metadata.deletionTimestamp !== "") throw new ApiError("REFUSED", `volume ${volume} is being deleted`);
  if ((await objectOf(backend, volume, name)) !== null)
    throw new ApiError("REFUSED", `snapshot ${name} of volume ${volume} is there already`);
  const object = await backend.store.create({
    kind: "Snapshot",
    name,
    finalizers: [FINALIZER],
    labels: ownLabels(volume),
    ownerReferences: [{ kind: "Volume", name: volume, uid: metadata.uid }],
    spec: { createSnapshot: true, volume, labels: given.labels ?? {} },
  });
  return item(snapshotObjectToResource(object));
}

async function objectName(call: Call): Promise<string> {
  const { name = "" } = checkInput("snapshotCRInput", await call.body(), { uses: ["name"], needs: ["name"] });
  if (name === "") throw new ApiError("INVALID", "snapshotCRInput: name is empty");
  return name;
}

async function objectOf(
  backend: Backend,
  volume: string,
  name: string,
): Promise<Resource<"Snapshot"> | null> {
  await need(backend, "Volume", "volume", volume);
  return (await objectsOf(backend, volume)).find((one) => snapshotName(one) === name) ?? null;
}

async function objectsOf({ store }: Backend, volume: string): Promise<Resource<"Snapshot">[]> {
  return (await store.list("Snapshot")).filter(({ spec }) => spec.volume === volume);
}

/** It becomes part of the names of files. */
function checkSnapshotName(input: string, name: string): void {
  if (name === "volume-head" || !/^[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?$/.test(name))
    throw new ApiError("INVALID", `${input}: name: ${JSON.stringify(name)} is no name of a snapshot: lower-case letters, digits, "-" and ".", 63 at most`); // prettier-ignore
}
