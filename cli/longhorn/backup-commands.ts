/** Commands about backups. What runs in a replica's sync agent is asked of it; what only reads a backup store has no
 * implementation here yet and says so. */
import type { VolumeClient } from "../../engine/client/volume.js";
import { errorText } from "../../proto/rpc-error.js";
import { print, withVolume, type Command } from "./command.js";
import { REPLICA_INSTANCE_FLAG } from "../../manager/longhorn-command/flags.js";
import { labelsOf } from "./snapshot-commands.js";
import { goJson, type Json } from "./text.js";
import { unescapeUrl } from "./values.js";

const create: Command = {
  names: ["create"],
  usage: "create a backup in objectstore: create <snapshot> --dest <dest>",
  argumentsText: "SNAPSHOT",
  flags: [
    {
      name: "dest",
      kind: "string",
      usage: "destination of backup, a URL like s3://bucket@region/path/ or vfs:///path/",
    },
    { name: "backup-name", kind: "string", usage: "name of the backup; one is made when it is not set" },
    {
      name: "backing-image-name",
      kind: "string",
      usage: "specify backing image name of the volume for backup",
    },
    { name: "backing-image-checksum", kind: "string", usage: "specify checksum of backing image file" },
    {
      name: "label",
      kind: "strings",
      usage: "specify labels for backup, in the format of `--label key1=value1 --label key2=value2`",
    },
    { name: "compression-method", kind: "string", default: "lz4", usage: "lz4, gzip or none" },
    { name: "concurrent-limit", kind: "int", default: 1, usage: "blocks uploaded at a time" },
    { name: "storage-class-name", kind: "int", usage: "storage class of the volume" },
    { name: "backup-block-size", kind: "int", default: 2, usage: "MiB" },
  ],
  failure: "Error running create backup command: %",
  run: async ({ globals, options, args: [snapshot = ""] }) => {
    const dest = options.string("dest");
    if (dest === "") throw new Error("missing required parameter --dest");
    if (snapshot === "") throw new Error("missing required parameter snapshot");
    labelsOf(options.strings("label"), "cannot parse backup labels"); // the sync agent takes them as they are
    const blockMiB = options.int("backup-block-size");
    if (blockMiB <= 0) throw new Error(`invalid backup block size: ${blockMiB}`);
    const parameters = { "backup-block-size": String(blockMiB * 2 ** 20) };
    const credential = credentialOf(dest, process.env);
    if (snapshot === "volume-head") throw new Error("cannot backup the head disk in the chain");
    const { firstReadable, snapshotFile } = await import("../../engine/client/snapshots.js");
    await withVolume(globals, async (volume) => {
      const { name: volumeName } = await volume.get();
      const address = await firstReadable(volume);
      const file = snapshotFile(snapshot);
      if (!Object.hasOwn((await volume.replica(address)).disks, file))
        throw new Error(`snapshot disk ${file} not found on replica ${address}`);
      const request = {
        snapshotFileName: file,
        backupTarget: dest,
        volumeName,
        labels: options.strings("label"),
        credential,
        backingImageName: options.string("backing-image-name"),
        backingImageChecksum: options.string("backing-image-checksum"),
        backupName: options.string("backup-name"),
        compressionMethod: options.string("compression-method"),
        concurrentLimit: options.int("concurrent-limit"),
        storageClassName: String(options.int("storage-class-name")), // an integer in Longhorn as well: "0" when absent
        parameters,
      };
      const { backup, isIncremental } = await volume.withSyncAgent(address, (agent) =>
        agent.call(`failed to create backup to ${dest} for volume ${volumeName}`, (calls, callOptions) =>
          calls.backupCreate(request, callOptions),
        ),
      );
      print(goJson({ backupID: backup, isIncremental, replicaAddress: address }, ""));
    });
  },
};

const status: Command = {
  names: ["status"],
  usage: "query the progress of the backup: status <backupID>",
  argumentsText: "ID",
  flags: [
    {
      name: "replica",
      kind: "string",
      usage: "address of the replica that makes it; whichever knows of it when absent",
    },
    REPLICA_INSTANCE_FLAG,
  ],
  failure: "Error querying backup status: %",
  run: async ({ globals, options, args: [backup = ""] }) => {
    if (backup === "") throw new Error("missing required parameter backupID");
    const wanted = options.string("replica");
    await withVolume(globals, async (volume) => {
      const readable = (await volume.replicas()).filter(({ mode }) => mode === "RW");
      const asked = readable.map(({ address }) => address).filter((one) => wanted === "" || one === wanted);
      if (asked.length === 0)
        throw new Error(`failed to get backup status on ${wanted} for ${backup}: unknown replica`);
      print(goJson(await statusOnOneOf(volume, asked, backup, options.string("replica-instance-name")), ""));
    });
  },
};

/** Whichever replica knows of the backup tells. That none does is an answer as well: callers look into it. */
async function statusOnOneOf(
  volume: VolumeClient,
  addresses: readonly string[],
  backup: string,
  instanceName: string,
): Promise<Json> {
  let failure = "";
  for (const replicaAddress of addresses) {
    try {
      const { progress, backupUrl, error, snapshotName, state } = await volume.withSyncAgent(
        replicaAddress,
        (agent) =>
          agent.call(`Failed to get backup status on ${replicaAddress} for ${backup}`, (calls, callOptions) =>
            calls.backupStatus({ backup }, callOptions),
          ),
        instanceName,
      );
      const given = {
        ...(backupUrl === "" ? {} : { backupURL: backupUrl }),
        ...(error === "" ? {} : { error }),
      };
      return { progress, ...given, snapshotName, state, replicaAddress };
    } catch (error) {
      failure = errorText(error);
    }
  }
  return { progress: 0, error: failure, snapshotName: "", state: "", replicaAddress: "" };
}

const restore: Command = {
  names: ["restore"],
  usage: "restore a backup to current volume: restore <backup>",
  argumentsText: "URL",
  flags: [
    { name: "concurrent-limit", kind: "int", default: 1, usage: "blocks downloaded at a time" },
    { name: "need-correct-encrypted-volume-size", kind: "bool" },
  ],
  failure: "Error running restore backup command: %",
  run: async ({ globals, options, args: [url = ""] }) => {
    if (url === "") throw new Error("missing required parameter backup");
    const request = {
      backup: unescapeUrl(url),
      credential: credentialOf(url, process.env),
      concurrentLimit: options.int("concurrent-limit"),
    };
    const failures: Json[] = [];
    const texts: string[] = [];
    await withVolume(globals, async (volume) => {
      for (const { address } of await volume.replicas()) {
        await volume
          .withSyncAgent(address, (agent) =>
            agent.call(`failed to restore backup data ${request.backup}`, (calls, callOptions) =>
              calls.backupRestore(request, callOptions),
            ),
          )
          .catch((error: unknown) => {
            failures.push({ Address: address, Message: errorText(error) });
            texts.push(`${address}: ${errorText(error)}`);
          });
      }
    });
    if (failures.length === 0) return;
    print(goJson({ ReplicaErrors: failures }, "\t")); // where callers look for it
    throw new Error(texts.join("; "));
  },
};

const restoreStatus: Command = {
  names: ["restore-status"],
  usage: "Check if restore operation is currently going on",
  failure: "Error running restore backup command: %",
  run: async ({ globals }) => {
    const { statusOfReplicas } = await import("../../engine/client/snapshots.js");
    await withVolume(globals, async (volume) => {
      const rows = await statusOfReplicas(
        volume,
        ["RW", "WO"],
        async (address) => {
          const found = await volume.withSyncAgent(address, (agent) =>
            agent.call(`failed to get restore status of replica ${agent.address}`, (calls, options) =>
              calls.restoreStatus({}, options),
            ),
          );
          const row: Json = {
            isRestoring: found.isRestoring,
            ...(found.progress === 0 ? {} : { progress: found.progress }),
            ...(found.error === "" ? {} : { error: found.error }),
            ...(found.destFileName === "" ? {} : { filename: found.destFileName }),
            state: found.state,
            backupURL: found.backupUrl,
            lastRestored: found.lastRestored,
            currentRestoringBackup: found.currentRestoringBackup,
          };
          return row;
        },
        (error) => {
          throw error;
        },
      );
      print(goJson(rows, ""));
    });
  },
};

/** Environment variables that are passed on to the sync agent, by the scheme of the backup target. */
const CREDENTIAL_VARIABLES: Record<string, readonly string[]> = {
  s3: [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_ENDPOINTS",
    "AWS_CERT",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "VIRTUAL_HOSTED_STYLE",
  ],
  cifs: ["CIFS_USERNAME", "CIFS_PASSWORD"],
  azblob: ["AZBLOB_ACCOUNT_NAME", "AZBLOB_ACCOUNT_KEY", "AZBLOB_ENDPOINT", "AZBLOB_CERT", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"], // prettier-ignore
};

function credentialOf(target: string, environment: NodeJS.ProcessEnv): Record<string, string> {
  const names = CREDENTIAL_VARIABLES[target.split(":")[0] ?? ""] ?? [];
  return Object.fromEntries(names.flatMap((name) => ((value) => (value === undefined ? [] : [[name, value]]))(environment[name]))); // prettier-ignore
}

function missing(names: Command["names"], argumentsText: string, flags: Command["flags"] = []): Command {
  return {
    names,
    argumentsText,
    flags,
    failure: `Error running ${names[0]} command`,
    run: () =>
      Promise.reject(new Error(`${names[0]} works on a backup store itself, which is not implemented`)),
  };
}

export const BACKUP_COMMANDS: readonly Command[] = [
  {
    names: ["backups", "backup"],
    commands: [
      create,
      status,
      restore,
      restoreStatus,
      missing(["restore-to-file"], "URL", [
        { name: "backing-file", kind: "string" },
        { name: "output-file", kind: "string" },
        { name: "output-format", kind: "string", default: "qcow2" },
        { name: "concurrent-limit", kind: "int", default: 5 },
      ]),
      missing(["list", "ls"], "DEST", [
        { name: "volume", kind: "string" },
        { name: "volume-only", kind: "bool" },
      ]),
      missing(["remove", "rm", "delete"], "URL", [{ name: "volume", kind: "string" }]),
      missing(["inspect"], "URL"),
      missing(["inspect-volume"], "URL"),
      missing(["head"], "URL"),
      missing(["cleanup-all-mounts"], ""),
      missing(["ls-backing-image"], "DEST"),
      missing(["inspect-backing-image"], "URL"),
      missing(["rm-backing-image"], "URL"),
    ],
  },
  {
    names: ["system-backup"],
    commands: [
      missing(["upload"], "LOCAL URL", [
        { name: "git-commit", kind: "string" },
        { name: "manager-image", kind: "string" },
        { name: "engine-image", kind: "string" },
      ]),
      missing(["download"], "URL LOCAL"),
      missing(["delete"], "URL"),
      missing(["list"], "DEST"),
      missing(["get-config"], "URL"),
    ],
  },
];
