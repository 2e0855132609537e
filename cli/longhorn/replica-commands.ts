/** Commands about a volume's replicas. */
import type { Options } from "../../manager/longhorn-command/arguments.js";
import { FILE_SYNC_FLAGS, print, SIZE_FLAGS, withVolume, type Command, io } from "./command.js";
import { REPLICA_INSTANCE_FLAG } from "../../manager/longhorn-command/flags.js";
import { goJson, table } from "./text.js";
import { parseSize } from "../../manager/longhorn-command/size.js";

function addressOf([address = ""]: readonly string[]): string {
  if (address === "") throw new Error("replica address is required");
  return address;
}

function sizesOf(options: Options): { size: number; currentSize: number } {
  if (options.string("size") === "") throw new Error("size is required");
  const size = parseSize(options.string("size"));
  if (options.string("current-size") === "") throw new Error("current-size is required");
  return { size, currentSize: parseSize(options.string("current-size")) };
}

const list: Command = {
  names: ["ls-replica", "ls"],
  failure: "Error running ls command",
  run: ({ globals }) =>
    withVolume(globals, async (volume) => {
      const rows = (await volume.replicas()).map(async ({ address, mode }) => {
        const ask = async () => `[${(await volume.replica(address)).chain.join(" ")}]`;
        return [address, mode, mode === "ERR" ? "" : await ask().catch(() => "")];
      });
      io.out(table([["ADDRESS", "MODE", "CHAIN"], ...(await Promise.all(rows))]));
    }),
};

const add: Command = {
  names: ["add-replica", "add"],
  argumentsText: "ADDRESS",
  flags: [
    {
      name: "restore",
      kind: "bool",
      usage: "Set this flag if the replica is being added to a restore/DR volume",
    },
    ...SIZE_FLAGS,
    {
      name: "fast-sync",
      kind: "bool",
      usage: "Enable fast file synchronization using change time and checksum",
    },
    { name: "sync-local", kind: "bool", usage: "accepted and ignored" },
    ...FILE_SYNC_FLAGS,
    REPLICA_INSTANCE_FLAG,
  ],
  failure: "Error running add replica command",
  run: async ({ globals, options, args }) => {
    const address = addressOf(args);
    const added = { address, instanceName: options.string("replica-instance-name"), ...sizesOf(options) };
    const { addReplica, addRestoreReplica } = await import("../../engine/client/rebuild.js");
    await withVolume(globals, (volume) =>
      options.bool("restore")
        ? addRestoreReplica(volume, added)
        : addReplica(volume, added, {
            fastSync: options.bool("fast-sync"),
            fileSyncHttpClientTimeout: options.int("file-sync-http-client-timeout"),
            grpcTimeoutSeconds: options.int("grpc-timeout-seconds"),
          }),
    );
  },
};

const start: Command = {
  names: ["start-with-replicas", "start"],
  argumentsText: "ADDRESS...",
  flags: SIZE_FLAGS,
  failure: "Error running start-with-replica command",
  run: async ({ globals, options, args }) => {
    addressOf(args);
    const sizes = sizesOf(options);
    const { startVolume } = await import("../../engine/client/rebuild.js");
    await withVolume(globals, async (volume) => {
      if ((await volume.get()).replicaCount !== 0)
        throw new Error("cannot add multiple replicas if volume is already up");
      await startVolume(volume, sizes, [...args]);
    });
  },
};

const remove: Command = {
  names: ["rm-replica", "rm"],
  argumentsText: "ADDRESS",
  failure: "Error running rm replica command",
  run: async ({ globals, args }) => {
    const address = addressOf(args);
    const { removeReplica } = await import("../../engine/client/rebuild.js");
    await withVolume(globals, (volume) => removeReplica(volume, address));
  },
};

const update: Command = {
  names: ["update-replica", "update"],
  argumentsText: "ADDRESS",
  flags: [{ name: "mode", kind: "string", usage: "Replica mode. The available modes are RW or ERR" }],
  failure: "Error running update replica command",
  run: async ({ globals, options, args }) => {
    const address = addressOf(args);
    const name = options.string("mode");
    const { ReplicaMode } = await import("../../proto/longhorn.js");
    const mode = (ReplicaMode as Partial<Record<string, number>>)[name];
    if (mode === undefined)
      throw new Error(name === "" ? "replica mode is required" : `invalid replica mode ${name}`);
    await withVolume(globals, ({ engine }) =>
      engine.call(`failed to update replica ${address} for volume ${engine.address}`, (calls, callOptions) =>
        calls.replicaUpdate({ address: { address, instanceName: "" }, mode }, callOptions),
      ),
    );
  },
};

const rebuildStatus: Command = {
  names: ["replica-rebuild-status", "rebuild-status"],
  failure: "Error running replica rebuild status",
  run: async ({ globals }) => {
    const { rebuildStatus: ask } = await import("../../engine/client/rebuild.js");
    const { statusOfReplicas } = await import("../../engine/client/snapshots.js");
    await withVolume(globals, async (volume) => {
      const rows = await statusOfReplicas(
        volume,
        ["WO"],
        async (address) => {
          const { error, isRebuilding, progress, state, fromReplicaAddress } = await ask(volume, address);
          return { error, isRebuilding, progress, state, fromReplicaAddress };
        },
        ({ message }, address) => ({
          error: `failed to get replica rebuild status of ${address}: ${message}`,
          isRebuilding: false,
          progress: 0,
          state: "",
          fromReplicaAddress: "",
        }),
      );
      print(goJson(rows, "\t"));
    });
  },
};

const verify: Command = {
  names: ["verify-rebuild-replica", "verify-rebuild"],
  argumentsText: "ADDRESS",
  flags: [REPLICA_INSTANCE_FLAG],
  failure: "Error running verify rebuild replica command",
  run: async ({ globals, options, args }) => {
    const address = addressOf(args);
    const { verifyRebuild } = await import("../../engine/client/rebuild.js");
    const instanceName = options.string("replica-instance-name");
    await withVolume(globals, async (volume) => {
      // Is it who the caller means? The engine knows no instances.
      await volume.replica(address, instanceName);
      await verifyRebuild(volume, address, instanceName);
    });
  },
};

const reset: Command = {
  names: ["sync-agent-server-reset"],
  failure: "Error running sync-agent-server-reset command",
  run: ({ globals }) =>
    withVolume(globals, async (volume) => {
      for (const { address } of await volume.replicas()) {
        await volume.withSyncAgent(address, (agent) =>
          agent.call(`failed to reset sync agent server of replica ${agent.address}`, (calls, options) =>
            calls.reset({}, options),
          ),
        );
      }
    }),
};

export const REPLICA_COMMANDS: readonly Command[] = [
  list,
  add,
  start,
  remove,
  update,
  rebuildStatus,
  verify,
  reset,
];
