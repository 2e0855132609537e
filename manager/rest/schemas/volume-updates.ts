/** What is given to change one property of a volume. */
import type { SchemaTable } from "./schema.js";

export const VOLUME_UPDATES = {
  UpdateAccessModeInput: {
    fields: {
      accessMode: "string",
    },
  },
  UpdateBackupCompressionInput: {
    fields: {
      backupCompressionMethod: "string",
    },
  },
  UpdateBackupTargetInput: {
    fields: {
      backupTargetName: "string",
    },
  },
  UpdateDataLocalityInput: {
    fields: {
      dataLocality: "string",
    },
  },
  UpdateFreezeFilesystemForSnapshotInput: {
    fields: {
      freezeFilesystemForSnapshot: "string",
    },
  },
  UpdateOfflineRebuildingInput: {
    fields: {
      offlineRebuilding: "string",
    },
  },
  UpdateReplicaAutoBalanceInput: {
    fields: {
      replicaAutoBalance: "string",
    },
  },
  UpdateReplicaCountInput: {
    fields: {
      replicaCount: "int",
    },
  },
  UpdateReplicaDiskSoftAntiAffinityInput: {
    fields: {
      replicaDiskSoftAntiAffinity: "string",
    },
  },
  UpdateReplicaRebuildingBandwidthLimitInput: {
    fields: {
      replicaRebuildingBandwidthLimit: "string",
    },
  },
  UpdateReplicaSoftAntiAffinityInput: {
    fields: {
      replicaSoftAntiAffinity: "string",
    },
  },
  UpdateReplicaZoneSoftAntiAffinityInput: {
    fields: {
      replicaZoneSoftAntiAffinity: "string",
    },
  },
  UpdateSnapshotDataIntegrityInput: {
    fields: {
      snapshotDataIntegrity: "string",
    },
  },
  UpdateSnapshotMaxCountInput: {
    fields: {
      snapshotMaxCount: "int",
    },
  },
  UpdateSnapshotMaxSizeInput: {
    fields: {
      snapshotMaxSize: "string",
    },
  },
  UpdateUnmapMarkSnapChainRemovedInput: {
    fields: {
      unmapMarkSnapChainRemoved: "string",
    },
  },
} as const satisfies SchemaTable;
