/** Commands about a volume's snapshots. */
import type { DiskInfo } from "../../proto/longhorn.js";
import { errorText, withContext } from "../../proto/rpc-error.js";
import { FILE_SYNC_FLAGS, print, withVolume, type Command, type Invocation, io } from "./command.js";
import { goJson, logLine, table, type Json } from "./text.js";
import { parseLabels } from "./values.js";

const load = () => import("../../engine/client/snapshots.js");

const create: Command = {
  names: ["create"],
  argumentsText: "[NAME]",
  flags: [
    {
      name: "label",
      kind: "strings",
      usage: "specify labels, in the format of `--label key1=value1 --label key2=value2`",
    },
    { name: "freeze-fs", kind: "bool", usage: "freeze the file system while the snapshot is taken" },
  ],
  failure: "Error running create snapshot command",
  run: async ({ globals, options, args: [name = ""] }) => {
    const labels = labelsOf(options.strings("label"), "cannot parse snapshot labels");
    const freezeFilesystem = options.bool("freeze-fs");
    const reply = await withVolume(globals, ({ engine }) =>
      engine.call(`failed to create snapshot ${name} for volume ${engine.address}`, (calls, callOptions) =>
        calls.volumeSnapshot({ name, labels, freezeFilesystem }, callOptions),
      ),
    );
    print(reply.name);
  },
};

export function labelsOf(labels: readonly string[], context: string): Record<string, string> {
  try {
    return parseLabels(labels);
  } catch (error) {
    throw withContext(context, error);
  }
}

async function list({ globals }: Invocation): Promise<void> {
  const { listSnapshots } = await load();
  const names = await withVolume(globals, listSnapshots);
  io.out(table(["ID", ...names].map((name) => [name])));
}

const info: Command = {
  names: ["info"],
  failure: "Error running snapshot info command",
  run: async ({ globals }) => {
    const { describeSnapshots } = await load();
    const disks = await withVolume(globals, describeSnapshots);
    print(
      disks === null
        ? "null"
        : goJson(new Map([...disks].map(([name, disk]) => [name, diskJson(disk)])), "\t"),
    );
  },
};

/** Keys in Longhorn's order and spelling. */
function diskJson(disk: DiskInfo): Json {
  return {
    name: disk.name,
    parent: disk.parent,
    children: new Map(Object.entries(disk.children)),
    removed: disk.removed,
    usercreated: disk.userCreated,
    created: disk.created,
    size: disk.size,
    labels: new Map(Object.entries(disk.labels)),
  };
}

const remove: Command = {
  names: ["rm"],
  argumentsText: "NAME...",
  failure: "Error running rm snapshot command",
  run: async ({ globals, args }) => {
    const { removeSnapshot } = await load();
    await withVolume(globals, async (volume) => {
      let last: unknown = null;
      for (const name of args) {
        try {
          await removeSnapshot(volume, name);
        } catch (error) {
          last = error;
          io.err(`Failed to delete ${name}: ${errorText(error)}\n`);
        }
      }
      if (last !== null) throw last as Error;
    });
  },
};

const revert: Command = {
  names: ["revert"],
  argumentsText: "NAME",
  failure: "Error running revert snapshot command",
  run: async ({ globals, args: [name = ""] }) => {
    if (name === "") throw new Error("missing parameter for snapshot");
    await withVolume(globals, ({ engine }) =>
      engine.call(`failed to revert to snapshot ${name} for volume ${engine.address}`, (calls, options) =>
        calls.volumeRevert({ name }, options),
      ),
    );
  },
};

const purge: Command = {
  names: ["purge"],
  flags: [
    {
      name: "skip-if-in-progress",
      kind: "bool",
      usage: "set to mute errors if replica is already purging",
    },
  ],
  failure: "Error running purge snapshot command",
  run: async ({ globals, options }) => {
    const { purgeSnapshots } = await load();
    let failures: Error[];
    try {
      failures = await withVolume(globals, (volume) =>
        purgeSnapshots(volume, options.bool("skip-if-in-progress")),
      );
    } catch (error) {
      throw withContext("failed to purge snapshots", error);
    }
    for (const { message } of failures) io.err(logLine("error", message));
  },
};

const purgeStatus: Command = {
  names: ["purge-status"],
  failure: "Error running snapshot purge status command",
  run: async ({ globals }) => {
    const { purgeStatus: ask, statusOfReplicas } = await load();
    await withVolume(globals, async (volume) => {
      const rows = await statusOfReplicas(
        volume,
        ["RW", "WO"],
        async (address) => {
          const { error, isPurging, progress, state } = await ask(volume, address);
          return { error, isPurging, progress, state };
        },
        ({ message }, address) => ({
          error: `failed to get snapshot purge status of ${address}: ${message}`,
          isPurging: false,
          progress: 0,
          state: "",
        }),
      );
      print(goJson(rows, "\t"));
    });
  },
};

const clone: Command = {
  names: ["clone"],
  flags: [
    { name: "snapshot-name", kind: "string", usage: "Specify the name of snapshot needed to clone" },
    {
      name: "from-controller-address",
      kind: "string",
      usage: "Specify the address of the engine controller of the source volume",
    },
    {
      name: "from-volume-name",
      kind: "string",
      usage: "Name of the source volume (for validation purposes)",
    },
    {
      name: "from-controller-instance-name",
      kind: "string",
      usage: "Name of the engine controller instance of the source volume (for validation purposes)",
    },
    {
      name: "export-backing-image-if-exist",
      kind: "bool",
      usage: "Specify if the backing image should be exported if it exists",
    },
    ...FILE_SYNC_FLAGS,
  ],
  failure: "Error running snapshot clone command",
  run: async ({ globals, options }) => {
    const snapshotName = options.string("snapshot-name");
    if (snapshotName === "") throw new Error("missing required parameter --snapshot-name");
    const from = options.string("from-controller-address");
    if (from === "") throw new Error("missing required parameter --from-controller-address");
    const { cloneSnapshot } = await load();
    const { VolumeClient } = await import("../../engine/client/volume.js");
    const source = new VolumeClient(from, {
      volumeName: options.string("from-volume-name"),
      engineInstanceName: options.string("from-controller-instance-name"),
    });
    try {
      await withVolume(globals, (volume) =>
        cloneSnapshot(volume, source, {
          snapshotName,
          exportBackingImageIfExist: options.bool("export-backing-image-if-exist"),
          fileSyncHttpClientTimeout: options.int("file-sync-http-client-timeout"),
          grpcTimeoutSeconds: options.int("grpc-timeout-seconds"),
        }),
      );
    } finally {
      source.close();
    }
  },
};

const cloneStatus: Command = {
  names: ["clone-status"],
  failure: "Error running snapshot clone status command",
  run: async ({ globals }) => {
    const { cloneStatus: ask, statusOfReplicas } = await load();
    await withVolume(globals, async (volume) => {
      const rows = await statusOfReplicas(
        volume,
        ["RW", "WO"],
        async (address) => {
          const { isCloning, error, progress, state, fromReplicaAddress, snapshotName } = await ask(
            volume,
            address,
          );
          return { isCloning, error, progress, state, fromReplicaAddress, snapshotName };
        },
        ({ message }, address) => ({
          isCloning: false,
          error: `failed to get snapshot clone status of ${address}: ${message}`,
          progress: 0,
          state: "",
          fromReplicaAddress: "",
          snapshotName: "",
        }),
      );
      print(goJson(rows, "\t"));
    });
  },
};

function requiredName([name = ""]: readonly string[]): string {
  if (name === "") throw new Error("snapshot name is required");
  return name;
}

const hash: Command = {
  names: ["hash"],
  argumentsText: "NAME",
  flags: [{ name: "rehash", kind: "bool", usage: "Rehash snapshot disk file" }],
  failure: "Error running hash snapshot command",
  run: async ({ globals, options, args }) => {
    const name = requiredName(args);
    const { hashSnapshot } = await load();
    try {
      await withVolume(globals, (volume) => hashSnapshot(volume, name, options.bool("rehash")));
    } catch (error) {
      throw withContext(`failed to hash snapshot ${name}`, error);
    }
  },
};

const hashCancel: Command = {
  names: ["hash-cancel"],
  argumentsText: "NAME",
  failure: "Error running cancel hashing snapshot command",
  run: async ({ globals, args }) => {
    const name = requiredName(args);
    const { cancelHash } = await load();
    try {
      await withVolume(globals, async (volume) => {
        for (const { address } of await volume.replicas()) await cancelHash(volume, address, name);
      });
    } catch (error) {
      throw withContext(`failed to cancel hashing snapshot ${name}`, error);
    }
  },
};

const hashStatus: Command = {
  names: ["hash-status"],
  argumentsText: "NAME",
  failure: "Error running snapshot hash status command",
  run: async ({ globals, args }) => {
    const name = requiredName(args);
    const { hashStatus: ask, statusOfReplicas } = await load();
    await withVolume(globals, async (volume) => {
      const rows = await statusOfReplicas(
        volume,
        ["RW", "WO"],
        async (address) => {
          const { state, checksum, error, silentlyCorrupted } = await ask(volume, address, name);
          return { state, checksum, error, silentlyCorrupted };
        },
        ({ message }, address) => ({
          state: "",
          checksum: "",
          error: `failed to get snapshot hash status of ${address}: ${message}`,
          silentlyCorrupted: false,
        }),
      );
      print(goJson(rows, "\t"));
    });
  },
};

export const SNAPSHOT_COMMANDS: readonly Command[] = [
  {
    names: ["snapshots", "snapshot"],
    failure: "Error running snapshot command",
    run: list,
    commands: [
      create,
      revert,
      { names: ["ls"], failure: "Error running ls snapshot command", run: list },
      remove,
      purge,
      purgeStatus,
      info,
      clone,
      cloneStatus,
      hash,
      hashCancel,
      hashStatus,
    ],
  },
  hash,
  hashCancel,
  hashStatus,
];
