/** What does not exist here yet: lists and single ones answer as the store has them, the rest says that it is to come. */
import type { Kind } from "../../objects/kinds.js";
import type { Resource } from "../../objects/resource.js";
import { need, type Backend } from "../backend.js";
import type { AnyItem } from "../http/envelope.js";
import { missing, notAvailable } from "../http/errors.js";
import { item, type Route } from "../http/router.js";
import { backupBackingImageToResource } from "../resources/backup-backing-image.js";
import {
  backingImageToResource,
  backupTargetToResource,
  backupVolumeToResource,
  supportBundleToResource,
  systemBackupToResource,
  systemRestoreToResource,
} from "../resources/backup.js";
import type { SchemaId } from "../schemas/index.js";

interface Absent {
  what: string;
  routes: readonly (readonly [method: Route["method"], path: string, action?: string])[];
}

const ABSENT: readonly Absent[] = [
  {
    what: "backups",
    routes: [
      ["POST", "/v1/backuptargets"],
      ["PUT", "/v1/backuptargets"],
      ["DELETE", "/v1/backuptargets/{name}"],
      ["POST", "/v1/backuptargets/{name}", "backupTargetSync"],
      ["POST", "/v1/backuptargets/{name}", "backupTargetUpdate"],
      ["PUT", "/v1/backupvolumes"],
      ["DELETE", "/v1/backupvolumes/{name}"],
      ["POST", "/v1/backupvolumes/{name}", "backupList"],
      ["POST", "/v1/backupvolumes/{name}", "backupListByVolume"],
      ["POST", "/v1/backupvolumes/{name}", "backupGet"],
      ["POST", "/v1/backupvolumes/{name}", "backupDelete"],
      ["POST", "/v1/backupvolumes/{name}", "backupVolumeSync"],
    ],
  },
  {
    what: "system backups",
    routes: [
      ["POST", "/v1/systembackups"],
      ["DELETE", "/v1/systembackups/{name}"],
      ["POST", "/v1/systemrestores"],
      ["DELETE", "/v1/systemrestores/{name}"],
    ],
  },
  {
    what: "backing images",
    routes: [
      ["POST", "/v1/backingimages"],
      ["DELETE", "/v1/backingimages/{name}"],
      ["GET", "/v1/backingimages/{name}/download"],
      ["POST", "/v1/backingimages/{name}", "backingImageCleanup"],
      ["POST", "/v1/backingimages/{name}", "upload"],
      ["POST", "/v1/backingimages/{name}", "backupBackingImageCreate"],
      ["POST", "/v1/backingimages/{name}", "updateMinNumberOfCopies"],
      ["DELETE", "/v1/backupbackingimages/{name}"],
      ["POST", "/v1/backupbackingimages/{name}", "backupBackingImageRestore"],
    ],
  },
  {
    what: "support bundles",
    routes: [
      ["POST", "/v1/supportbundles"],
      ["GET", "/v1/supportbundles/{nodeID}/{bundleName}/download"],
      ["DELETE", "/v1/supportbundles/{nodeID}/{bundleName}"],
    ],
  },
];

export function notYetRoutes(backend: Backend): Route[] {
  return [
    one(backend, "/v1/backuptargets/{name}", "backupTarget", "BackupTarget", backupTargetToResource),
    one(backend, "/v1/backupvolumes/{name}", "backupVolume", "BackupVolume", backupVolumeToResource),
    one(backend, "/v1/backingimages/{name}", "backingImage", "BackingImage", backingImageToResource),
    one(backend, "/v1/backupbackingimages/{name}", "backupBackingImage", "BackupBackingImage", backupBackingImageToResource), // prettier-ignore
    one(backend, "/v1/systembackups/{name}", "systemBackup", "SystemBackup", systemBackupToResource),
    one(backend, "/v1/systemrestores/{name}", "systemRestore", "SystemRestore", systemRestoreToResource),
    {
      method: "GET",
      path: "/v1/supportbundles/{nodeID}/{bundleName}",
      handle: async ({ params: { nodeID = "", bundleName = "" } }) => {
        const bundle = await need(backend, "SupportBundle", "supportBundle", bundleName);
        if (bundle.spec.nodeID !== nodeID) throw missing("supportBundle", bundleName);
        return item(supportBundleToResource(bundle));
      },
    },
    ...ABSENT.flatMap(({ what, routes }) => routes.map((route) => absent(what, route))),
  ];
}

function one<K extends Kind>(
  backend: Backend,
  path: string,
  type: SchemaId,
  kind: K,
  show: (object: Resource<K>) => AnyItem,
): Route {
  return {
    method: "GET",
    path,
    handle: async ({ params }) => item(show(await need(backend, kind, type, params["name"] ?? ""))),
  };
}

function absent(what: string, [method, path, action]: Absent["routes"][number]): Route {
  return {
    method,
    path,
    ...(action === undefined ? {} : { action }),
    handle: () => Promise.reject(notAvailable(what)),
  };
}
