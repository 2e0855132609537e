/** Longhorn's ProxyEngineService: what a manager elsewhere does with the engines of volumes. */
import { status } from "@grpc/grpc-js";
import type { Logger } from "pino";
import {
  ProxyEngineService,
  ProxyEngineServiceStreams,
  type ProxyEngineRequest,
} from "../../../proto/instance-manager.js";
import { RpcError } from "../../../proto/rpc-error.js";
import type { StreamHandlers } from "../../../proto/server-stream.js";
import type { Handlers } from "../../../proto/unary.js";
import { remountReadWrite } from "../host-filesystems.js";
import { replicaCalls } from "./replica-calls.js";
import { snapshotCalls } from "./snapshot-calls.js";
import { volumeCalls } from "./volume-calls.js";

type ProxyHandlers = Handlers<typeof ProxyEngineService>;

const refuse = (text: string) => () => Promise.reject(new RpcError(status.UNIMPLEMENTED, text));
const noBackups = refuse("backups are not implemented yet");
const noSpdk = refuse("backing images of the v2 data engine are not supported");

/** Calls that may change what a report of the engine tells, beyond what the engine itself hears of. */
const CHANGES: ReadonlySet<string> = new Set<keyof ProxyHandlers>([
  "snapshotRemove",
  "snapshotPurge",
  "snapshotClone",
  "snapshotRevert",
  "volumeSnapshot",
  "replicaAdd",
  "replicaRemove",
]);

/** @param onChange called with the engine's address before and after what may change its replicas */
export function proxyHandlers(onChange: (address: string) => void, log: Logger): ProxyHandlers {
  const handlers: ProxyHandlers = {
    ...volumeCalls,
    ...snapshotCalls,
    ...replicaCalls,
    remountReadOnlyVolume: async ({ volumeName }) => {
      await remountReadWrite(volumeName, log);
      return {};
    },
    // No backup target was ever mounted.
    cleanupBackupMountPoints: () => Promise.resolve({}),
    snapshotBackup: noBackups,
    snapshotBackupStatus: noBackups,
    backupRestore: noBackups,
    backupRestoreStatus: noBackups,
    backupRestoreFinish: refuse("BackupRestoreFinish is not supported for the v1 data engine"),
    sPDKBackingImageCreate: noSpdk,
    sPDKBackingImageDelete: noSpdk,
    sPDKBackingImageGet: noSpdk,
    sPDKBackingImageList: noSpdk,
  };
  return noticed(handlers, onChange);
}

/** The same, with what changes something told. */
function noticed(handlers: ProxyHandlers, onChange: (address: string) => void): ProxyHandlers {
  type Handler = (request: { proxyEngineRequest: ProxyEngineRequest | null }) => Promise<object>;
  const rows = Object.entries(handlers as unknown as Record<string, Handler>).map(([name, handler]) => {
    const told: Handler = async (request) => {
      const address = request.proxyEngineRequest?.address ?? "";
      onChange(address);
      try {
        return await handler(request);
      } finally {
        onChange(address);
      }
    };
    return [name, CHANGES.has(name) ? told : handler];
  });
  return Object.fromEntries(rows) as ProxyHandlers;
}

export const proxyStreams: StreamHandlers<typeof ProxyEngineServiceStreams> = {
  sPDKBackingImageWatch: noSpdk,
};
