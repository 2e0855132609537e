/** What actions of volumes are given. */
import type { SchemaTable } from "./schema.js";

export const VOLUME_ACTIONS = {
  activateInput: {
    fields: {
      frontend: "string",
    },
  },
  attachInput: {
    fields: {
      attachedBy: "string",
      attacherType: "string",
      attachmentID: "string",
      disableFrontend: "bool",
      hostId: "string",
    },
  },
  detachInput: {
    fields: {
      attachmentID: "string",
      forceDetach: "bool",
      hostId: "string",
    },
  },
  engineUpgradeInput: {
    fields: {
      image: "string",
    },
  },
  expandInput: {
    fields: {
      size: "string",
    },
  },
  PVCCreateInput: {
    fields: {
      namespace: "string",
      pvcName: "string",
    },
  },
  PVCreateInput: {
    fields: {
      fsType: "string",
      pvName: "string",
      secretName: "string",
      secretNamespace: "string",
      storageClassName: "string",
    },
  },
  replicaRemoveInput: {
    fields: {
      name: "string",
    },
  },
  salvageInput: {
    fields: {
      names: "array[string]",
    },
  },
  volumeRecurringJobInput: {
    fields: {
      isGroup: "bool",
      name: "string",
    },
  },
} as const satisfies SchemaTable;
