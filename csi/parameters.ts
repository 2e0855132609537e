/** Parameters of a StorageClass, as a new volume of the manager has them. Pure. */
import type { FieldsOf } from "../rest-client/resources.js";
import { invalid } from "./errors.js";

type VolumeFields = FieldsOf<"volumes">;

const STALE_REPLICA_TIMEOUT_MINUTES = 2880;
const REPLICAS_MAX = 20;

const TRI = ["ignored", "enabled", "disabled"];

type Reader = (text: string) => Partial<VolumeFields>;

/** @throws {RpcError} INVALID_ARGUMENT, by the readers */
const READERS: Record<string, Reader> = {
  numberOfReplicas: (text) => ({ numberOfReplicas: count(text, REPLICAS_MAX) }),
  staleReplicaTimeout: (text) => ({
    staleReplicaTimeout: count(text, 1e9) || STALE_REPLICA_TIMEOUT_MINUTES,
  }),
  migratable: (text) => ({ migratable: bool(text) }),
  encrypted: (text) => ({ encrypted: bool(text) }),
  disableRevisionCounter: (text) => ({ revisionCounterDisabled: bool(text) }),
  fromBackup: (text) => ({ fromBackup: text }),
  dataSource: (text) => ({ dataSource: text }),
  cloneMode: (text) => ({ cloneMode: oneOf(text, ["", "full-copy", "linked-clone"]) }),
  backupTargetName: (text) => ({ backupTargetName: text }),
  backupBlockSize: (text) => ({ backupBlockSize: blockSize(text) }),
  dataLocality: (text) => ({ dataLocality: oneOf(text, ["disabled", "best-effort", "strict-local"]) }),
  replicaAutoBalance: (text) => ({
    replicaAutoBalance: oneOf(text, ["ignored", "disabled", "least-effort", "best-effort"]),
  }),
  replicaSoftAntiAffinity: (text) => ({ replicaSoftAntiAffinity: oneOf(text, TRI) }),
  replicaZoneSoftAntiAffinity: (text) => ({ replicaZoneSoftAntiAffinity: oneOf(text, TRI) }),
  replicaDiskSoftAntiAffinity: (text) => ({ replicaDiskSoftAntiAffinity: oneOf(text, TRI) }),
  unmapMarkSnapChainRemoved: (text) => ({ unmapMarkSnapChainRemoved: oneOf(text, TRI) }),
  freezeFilesystemForSnapshot: (text) => ({ freezeFilesystemForSnapshot: oneOf(text, TRI) }),
  diskSelector: (text) => ({ diskSelector: tagsOf(text) }),
  nodeSelector: (text) => ({ nodeSelector: tagsOf(text) }),
  recurringJobSelector: (text) => ({ recurringJobSelector: jobs(text) }),
  dataEngine: (text) => ({ dataEngine: oneOf(text, ["v1", "v2"]) }),
  frontend: (text) => ({ frontend: text }),
  backingImage: (text) => ({ backingImage: text }),
};

/** Those that are not there are Kubernetes', the node's, or nobody's: Longhorn keeps them as well. Empty ones count as absent.
 * @param isShared the volume is used by several nodes, whatever `share` says
 * @throws {RpcError} INVALID_ARGUMENT, with the parameter's name */
export function volumeFieldsOf(
  parameters: Readonly<Record<string, string>>,
  isShared: boolean,
): Partial<VolumeFields> {
  const fields: Partial<VolumeFields> = {
    staleReplicaTimeout: STALE_REPLICA_TIMEOUT_MINUTES,
    revisionCounterDisabled: true,
  };
  for (const [name, text] of Object.entries(parameters)) {
    const reader = READERS[name];
    if (text !== "" && reader !== undefined)
      Object.assign(
        fields,
        named(name, () => reader(text)),
      );
  }
  const share = parameters["share"] ?? "";
  const isRwx = isShared || (share !== "" && named("share", () => bool(share)));
  fields.accessMode = isRwx ? "rwx" : "rwo";
  if (!isRwx) fields.migratable = false;
  return fields;
}

/** Tags of a comma list. */
export function tagsOf(text: string): string[] {
  return text
    .split(",")
    .map((tag) => tag.trim())
    .filter((tag) => tag !== "");
}

function named<T>(name: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw invalid(`parameter ${name}: ${(error as Error).message}`);
  }
}

function count(text: string, max: number): number {
  const number = /^-?\d+$/.test(text) ? Number(text) : NaN;
  if (!(number <= max)) throw new Error(`"${text}" is no number up to ${max}`);
  return Math.max(0, number);
}

/** As Go reads them. */
function bool(text: string): boolean {
  if (["1", "t", "T", "true", "TRUE", "True"].includes(text)) return true;
  if (["0", "f", "F", "false", "FALSE", "False"].includes(text)) return false;
  throw new Error(`"${text}" is neither true nor false`);
}

function oneOf(text: string, words: readonly string[]): string {
  if (!words.includes(text)) throw new Error(`"${text}" is none of ${words.filter(Boolean).join(", ")}`);
  return text;
}

function blockSize(text: string): string {
  const sizes: Record<string, number> = { "2Mi": 2 << 20, "16Mi": 16 << 20 };
  const bytes = sizes[text] ?? (Object.values(sizes).includes(Number(text)) ? Number(text) : undefined);
  if (bytes === undefined) throw new Error(`"${text}" is neither 2Mi nor 16Mi`);
  return String(bytes);
}

function jobs(text: string): { name: string; isGroup: boolean }[] {
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    throw new Error(`${JSON.stringify(text)} is no JSON`);
  }
  if (!Array.isArray(list)) throw new Error("it is no JSON array");
  return list.map((entry: unknown) => {
    const { name, isGroup = false } = (entry ?? {}) as { name?: unknown; isGroup?: unknown };
    if (typeof name !== "string" || name === "" || typeof isGroup !== "boolean")
      throw new Error('an entry is not {"name": NAME, "isGroup": BOOL}');
    return { name, isGroup };
  });
}
