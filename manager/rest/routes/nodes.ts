/** Nodes and their disks, and what else is known of them. */
import { checkSpec } from "../../objects/check.js";
import type { SpecOf } from "../../objects/kinds.js";
import type { Resource } from "../../objects/resource.js";
import { checkDisks, checkNode, checkNodeRemoval } from "../../node/rules.js";
import { modify } from "../../store/store.js";
import { loadSettings } from "../../settings/stored.js";
import { need, type Backend } from "../backend.js";
import { addressOf } from "../collections.js";
import { missing, notAvailable } from "../http/errors.js";
import { EMPTY, item, type Call, type Reply, type Route } from "../http/router.js";
import {
  engineImageToResource,
  instanceManagerToResource,
  nodeToResource,
  orphanToResource,
} from "../resources/node.js";
import { attachmentToResource } from "../resources/volume-attachment.js";
import { checkInput } from "../schemas/input.js";

export function nodeRoutes(backend: Backend): Route[] {
  const { store } = backend;
  const path = "/v1/nodes/{name}";
  const nameOf = ({ params }: Call) => params["name"] ?? "";
  return [
    {
      method: "GET",
      path,
      handle: async (call) => reply(backend, await need(backend, "Node", "node", nameOf(call))),
    },
    { method: "PUT", path, handle: (call) => update(backend, nameOf(call), call) },
    {
      method: "POST",
      path,
      action: "diskUpdate",
      handle: (call) => updateDisks(backend, nameOf(call), call),
    },
    { method: "DELETE", path, handle: (call) => remove(backend, nameOf(call)) },
    {
      method: "GET",
      path: "/v1/instancemanagers/{name}",
      handle: async (call) =>
        item(
          instanceManagerToResource(await need(backend, "InstanceManager", "instanceManager", nameOf(call))),
        ),
    },
    {
      method: "GET",
      path: "/v1/volumeattachments/{name}",
      handle: async (call) =>
        item(attachmentToResource(await need(backend, "VolumeAttachment", "volumeAttachment", nameOf(call)))),
    },
    {
      method: "GET",
      path: "/v1/orphans/{name}",
      handle: async (call) => item(orphanToResource(await need(backend, "Orphan", "orphan", nameOf(call)))),
    },
    {
      method: "DELETE",
      path: "/v1/orphans/{name}",
      handle: async (call) => {
        const { metadata } = await need(backend, "Orphan", "orphan", nameOf(call));
        await store.delete("Orphan", metadata.name, metadata.uid);
        return EMPTY;
      },
    },
    {
      method: "GET",
      path: "/v1/engineimages/{name}",
      handle: async (call) => {
        const image = await need(backend, "EngineImage", "engineImage", nameOf(call));
        const settings = await loadSettings(backend.store);
        return item(engineImageToResource(image, settings.text("default-engine-image")));
      },
    },
    {
      method: "POST",
      path: "/v1/engineimages",
      handle: async (call) => {
        checkInput("engineImage", await call.body(), { uses: ["image"], needs: ["image"] });
        throw notAvailable("other engine images");
      },
    },
    {
      method: "DELETE",
      path: "/v1/engineimages/{name}",
      handle: async (call) => {
        await need(backend, "EngineImage", "engineImage", nameOf(call));
        throw notAvailable("other engine images");
      },
    },
  ];
}

async function reply({ store }: Backend, node: Resource<"Node">): Promise<Reply> {
  return item(nodeToResource(node, addressOf(node.metadata.name, await store.list("InstanceManager"))));
}

async function changeNode(
  backend: Backend,
  name: string,
  change: (node: Resource<"Node">) => void,
): Promise<Reply> {
  const node = await modify(backend.store, "Node", name, "spec", change);
  if (node === null) throw missing("node", name);
  return reply(backend, node);
}

/** All four are overwritten, as Longhorn does: what is left out has its zero value. */
async function update(backend: Backend, name: string, call: Call): Promise<Reply> {
  const given = checkInput("node", await call.body(), {
    uses: ["allowScheduling", "evictionRequested", "tags", "instanceManagerCPURequest"],
  });
  const { allowScheduling = false, evictionRequested = false, instanceManagerCPURequest = 0 } = given;
  const tags = [...new Set(given.tags ?? [])];
  return changeNode(backend, name, ({ spec }) => {
    Object.assign(spec, { allowScheduling, evictionRequested, tags, instanceManagerCPURequest });
    checkNode(spec);
  });
}

async function updateDisks(backend: Backend, name: string, call: Call): Promise<Reply> {
  const given = checkInput("diskUpdateInput", await call.body(), { uses: ["disks"], needs: ["disks"] });
  const wanted = given.disks as unknown as Record<string, Partial<SpecOf<"Node">["disks"][string]>>;
  const replicas = await backend.store.list("Replica");
  return changeNode(backend, name, (node) => {
    const disks = Object.entries(wanted).map(([disk, { path, diskType, diskDriver, allowScheduling, evictionRequested, storageReserved, tags }]) => [disk, defined({ path, diskType: diskType || "filesystem", diskDriver, allowScheduling, evictionRequested, storageReserved, tags })]); // prettier-ignore
    const { disks: after } = checkSpec("Node", name, { ...node.spec, disks: Object.fromEntries(disks) as object }); // prettier-ignore
    checkDisks(node, after, replicas);
    node.spec.disks = after;
  });
}

function defined(fields: Record<string, unknown>): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

async function remove(backend: Backend, name: string): Promise<Reply> {
  const { store } = backend;
  const node = await need(backend, "Node", "node", name);
  checkNodeRemoval(node, await store.list("Engine"), await store.list("Replica"));
  await store.delete("Node", name, node.metadata.uid);
  return EMPTY;
}
