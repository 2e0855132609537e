/** What is done with volumes that are there: each is a change to an object, and controllers do the rest. */
import type { Resource } from "../../objects/resource.js";
import { modify } from "../../store/store.js";
import { addTicket, checkTicketType, dropTicket, TICKET_TYPE_DEFAULT } from "../../volume/attach.js";
import { salvageFrom } from "../../volume/forced-salvage.js";
import { awayRefusal, homesOf } from "../../volume/locality.js";
import { changeAttachment } from "../../volume/work-tickets.js";
import { jobsOf, withJob, withoutJob } from "../../volume/recurring-labels.js";
import { checkReplicaRemoval, checkSalvage } from "../../volume/replica-rules.js";
import { need, volumeView, type Backend } from "../backend.js";
import { ApiError, missing, notAvailable } from "../http/errors.js";
import { collection, type Call, type Reply, type Route } from "../http/router.js";
import { checkInput } from "../schemas/input.js";
import { cancelExpansion, changeVolume, expand, isJobName, volumeReply } from "./volumes.js";

const PATH = "/v1/volumes/{name}";

/** @param act what it does to the volume of that name */
export function volumeAction(action: string, act: (name: string, call: Call) => Promise<Reply>): Route {
  return { method: "POST", path: PATH, action, handle: (call) => act(call.params["name"] ?? "", call) };
}

export function volumeActionRoutes(backend: Backend): Route[] {
  const reply = async (volume: Promise<Resource<"Volume">>) => volumeReply(backend, await volume);
  return [
    volumeAction("attach", (name, call) => reply(attach(backend, name, call))),
    volumeAction("detach", (name, call) => reply(detach(backend, name, call))),
    volumeAction("salvage", (name, call) => reply(salvage(backend, name, call))),
    volumeAction("replicaRemove", (name, call) => reply(removeReplica(backend, name, call))),
    volumeAction("engineUpgrade", (name, call) => upgradeEngine(backend, name, call)),
    volumeAction("expand", async (name, call) => {
      const { size = "" } = checkInput("expandInput", await call.body(), { uses: ["size"], needs: ["size"] });
      return reply(expand(backend, name, size));
    }),
    volumeAction("cancelExpansion", (name) => reply(cancelExpansion(backend, name))),
    volumeAction("activate", async (name, call) => {
      checkInput("activateInput", await call.body(), { uses: ["frontend"], needs: ["frontend"] });
      const { spec } = await need(backend, "Volume", "volume", name);
      if (!spec.Standby) throw new ApiError("REFUSED", `volume ${name} is no standby volume`);
      throw notAvailable("backups, which standby volumes follow");
    }),
    volumeAction("pvCreate", (name) => needsKubernetes(backend, name)),
    volumeAction("pvcCreate", (name) => needsKubernetes(backend, name)),
    volumeAction("recurringJobAdd", (name, call) => changeJobs(backend, name, call, withJob)),
    volumeAction("recurringJobDelete", (name, call) => changeJobs(backend, name, call, withoutJob)),
    volumeAction("recurringJobList", async (name) => jobs(await need(backend, "Volume", "volume", name))),
  ];
}

async function needsKubernetes(backend: Backend, name: string): Promise<Reply> {
  await need(backend, "Volume", "volume", name);
  throw notAvailable("persistent volumes of Kubernetes");
}

async function attach(backend: Backend, name: string, call: Call): Promise<Resource<"Volume">> {
  const given = checkInput("attachInput", await call.body(), {
    uses: ["attachedBy", "attacherType", "attachmentID", "disableFrontend", "hostId"],
    needs: ["hostId"],
  });
  const { hostId: nodeID = "", attachmentID: id = "", disableFrontend = false, attachedBy = "" } = given;
  const type = given.attacherType === undefined || given.attacherType === "" ? TICKET_TYPE_DEFAULT : given.attacherType; // prettier-ignore
  checkTicketType(type);
  if (!/^([a-zA-Z0-9][\w.-]{0,252})?$/.test(id))
    throw new ApiError("INVALID", `attachInput: attachmentID: ${JSON.stringify(id)} is no name`);
  const volume = await need(backend, "Volume", "volume", name);
  if (volume.metadata.deletionTimestamp !== "")
    throw new ApiError("REFUSED", `volume ${name} is being deleted`);
  if (nodeID === "") throw new ApiError("INVALID", "attachInput: hostId is missing");
  await need(backend, "Node", "node", nodeID);
  const { replicas } = await volumeView(backend, volume);
  // Where it is already it stays: it may have been attached there before it was strict-local.
  const away = nodeID === volume.spec.nodeID ? null : awayRefusal(volume, homesOf(volume, replicas), nodeID);
  if (away !== null) throw new ApiError("REFUSED", away);
  await changeAttachment(backend.store, volume, ({ spec }) =>
    addTicket(spec, { id, type, nodeID, disableFrontend, attachedBy }),
  );
  return need(backend, "Volume", "volume", name);
}

/** A body that cannot be read is as good as none: Longhorn takes it so, and old clients send none. */
async function detach(backend: Backend, name: string, call: Call): Promise<Resource<"Volume">> {
  const body = await call.body().catch((error: unknown) => {
    if (error instanceof ApiError && error.code === "INVALID") return {};
    throw error;
  });
  const {
    attachmentID = "",
    forceDetach = false,
    hostId = "",
  } = checkInput("detachInput", body, {
    uses: ["attachmentID", "forceDetach", "hostId"],
  });
  const volume = await need(backend, "Volume", "volume", name);
  if (volume.spec.Standby) throw new ApiError("REFUSED", `volume ${name} is a standby volume`);
  await changeAttachment(backend.store, volume, ({ spec }) => {
    if (forceDetach) spec.attachmentTickets = {};
    else dropTicket(spec, attachmentID, hostId);
  });
  return need(backend, "Volume", "volume", name);
}

/** The replicas count again; the engine decides by their records which of them is current, unless one is forced on it. */
async function salvage(backend: Backend, name: string, call: Call): Promise<Resource<"Volume">> {
  const { force, rest } = takeForce(await call.body());
  const { names = [] } = checkInput("salvageInput", rest, { uses: ["names"], needs: ["names"] });
  const view = await volumeView(backend, await need(backend, "Volume", "volume", name));
  const chosen = checkSalvage(view, names, force);
  // First: whatever is decided about the volume from here on is decided for that replica alone.
  if (force)
    await modify(backend.store, "Volume", name, "spec", (volume) => {
      checkSalvage({ ...view, volume }, names, force);
      salvageFrom(volume, names[0] ?? "");
    });
  for (const { metadata } of chosen)
    await modify(backend.store, "Replica", metadata.name, "spec", ({ spec }) => {
      spec.failedAt = "";
    });
  const volume = await modify(backend.store, "Volume", name, "status", ({ status }) => {
    status.robustness = "unknown";
  });
  if (volume === null) throw missing("volume", name);
  return volume;
}

/** A field of our own, so that nobody forces what was meant otherwise: no schema has it, since those are Longhorn's. */
function takeForce(body: unknown): { force: boolean; rest: unknown } {
  if (typeof body !== "object" || body === null || !("force" in body)) return { force: false, rest: body };
  const { force, ...rest } = body;
  if (typeof force !== "boolean")
    throw new ApiError("INVALID", "salvageInput: force is neither true nor false");
  return { force, rest };
}

async function removeReplica(backend: Backend, name: string, call: Call): Promise<Resource<"Volume">> {
  const given = checkInput("replicaRemoveInput", await call.body(), { uses: ["name"], needs: ["name"] });
  const { volume, replicas } = await volumeView(backend, await need(backend, "Volume", "volume", name));
  const replica = replicas.find(({ metadata }) => metadata.name === given.name);
  if (replica === undefined) throw missing("replica", given.name ?? "");
  checkReplicaRemoval(replica, replicas);
  await backend.store.delete("Replica", replica.metadata.name, replica.metadata.uid);
  return volume;
}

async function upgradeEngine(backend: Backend, name: string, call: Call): Promise<Reply> {
  await need(backend, "Volume", "volume", name);
  const { image = "" } = checkInput("engineUpgradeInput", await call.body(), { uses: ["image"], needs: ["image"] }); // prettier-ignore
  const images = await backend.store.list("EngineImage");
  if (!images.some(({ spec }) => spec.image === image)) throw missing("engineImage", image);
  throw notAvailable("another engine image: an engine has the version of its node's agent");
}

async function changeJobs(
  backend: Backend,
  volume: string,
  call: Call,
  change: typeof withJob,
): Promise<Reply> {
  const { name, isGroup = false } = checkInput("volumeRecurringJobInput", await call.body(), {
    uses: ["name", "isGroup"],
    needs: ["name"],
  });
  if (!isJobName(name))
    throw new ApiError(
      "INVALID",
      `volumeRecurringJobInput: name: ${JSON.stringify(name)} is no name of a job`,
    );
  const changed = await changeVolume(backend, volume, ({ metadata }) => {
    metadata.labels = change(metadata.labels, { name, isGroup });
  });
  return jobs(changed);
}

function jobs({ metadata }: Resource<"Volume">): Reply {
  const items = jobsOf(metadata.labels).map(
    (job) => ({ type: "volumeRecurringJob", id: job.name, actions: [], body: job }) as const,
  );
  return collection("volumeRecurringJob", items);
}
