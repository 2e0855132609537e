/** Commands about a volume as a whole. */
import type { Volume } from "../../proto/longhorn.js";
import { API_VERSIONS } from "../../proto/longhorn-version.js";
import { version } from "../version.js";
import { identityOf, print, withVolume, type Command } from "./command.js";
import { goJson, type Json } from "./text.js";

const info: Command = {
  names: ["info"],
  failure: "Error running info command: %",
  run: ({ globals }) =>
    withVolume(globals, async (volume) => print(goJson(volumeJson(await volume.get()), "\t"))),
};

/** Keys in Longhorn's order and spelling. */
export function volumeJson(volume: Volume): Json {
  return {
    name: volume.name,
    size: volume.size,
    replicaCount: volume.replicaCount,
    endpoint: volume.endpoint,
    frontend: volume.frontend,
    frontendState: volume.frontendState,
    isExpanding: volume.isExpanding,
    lastExpansionError: volume.lastExpansionError,
    lastExpansionFailedAt: volume.lastExpansionFailedAt,
    unmapMarkSnapChainRemoved: volume.unmapMarkSnapChainRemoved,
    snapshotMaxCount: volume.snapshotMaxCount,
    SnapshotMaxSize: volume.snapshotMaxSize,
  };
}

const versions: Command = {
  names: ["version"],
  flags: [{ name: "client-only", kind: "bool", usage: "only show the client version" }],
  failure: "Error running info command",
  run: async ({ globals, options }) => {
    const clientVersion = { version: version(), gitCommit: "", buildDate: "", ...API_VERSIONS };
    const ask = () =>
      withVolume(globals, ({ engine }) =>
        engine.call("failed to get version detail", (calls, callOptions) =>
          calls.versionDetailGet({}, callOptions),
        ),
      );
    const server = options.bool("client-only") ? null : (await ask()).version;
    const serverVersion = server === null ? null : versionJson(server);
    print(goJson({ clientVersion: versionJson(clientVersion), serverVersion }, "\t"));
  },
};

type Versions = Record<keyof typeof API_VERSIONS, number> &
  Record<"version" | "gitCommit" | "buildDate", string>;

function versionJson(one: Versions): Json {
  return {
    version: one.version,
    gitCommit: one.gitCommit,
    buildDate: one.buildDate,
    cliAPIVersion: one.cliAPIVersion,
    cliAPIMinVersion: one.cliAPIMinVersion,
    controllerAPIVersion: one.controllerAPIVersion,
    controllerAPIMinVersion: one.controllerAPIMinVersion,
    dataFormatVersion: one.dataFormatVersion,
    dataFormatMinVersion: one.dataFormatMinVersion,
  };
}

const expand: Command = {
  names: ["expand"],
  flags: [
    {
      name: "size",
      kind: "int",
      usage: "The new volume size. It should be larger than the current size",
    },
  ],
  failure: "Error running expand command",
  run: ({ globals, options }) =>
    withVolume(globals, async ({ engine }) => {
      const size = options.int("size");
      await engine.call(
        `failed to expand to size ${size} for volume ${engine.address}`,
        (calls, callOptions) => calls.volumeExpand({ size }, callOptions),
      );
    }),
};

const unmapMark: Command = {
  names: ["unmap-mark-snap-chain-removed", "unmap-mark-snap"],
  usage: "Enable marking the current snapshot chain as removed before unmapping",
  flags: [
    { name: "enable", kind: "bool" },
    { name: "disable", kind: "bool" },
  ],
  failure: "Error running unmap-mark-snap-chain-removed command: %",
  run: async ({ globals, options }) => {
    const enabled = options.bool("enable");
    const disabled = options.bool("disable");
    if (enabled && disabled) throw new Error("cannot enable and disable this option simultaneously");
    if (!enabled && !disabled) throw new Error("this option is not specified");
    await withVolume(globals, ({ engine }) =>
      engine.call(
        `failed to set UnmapMarkSnapChainRemoved to ${enabled} for volume ${engine.address}`,
        (calls, callOptions) => calls.volumeUnmapMarkSnapChainRemovedSet({ enabled }, callOptions),
      ),
    );
  },
};

const journal: Command = {
  names: ["journal"],
  flags: [{ name: "limit", kind: "int", default: 0 }],
  failure: "Error running journal command",
  run: ({ globals, options }) =>
    withVolume(globals, async ({ engine }) => {
      await engine.call(`failed to list journal for volume ${engine.address}`, (calls, callOptions) =>
        calls.journalList({ limit: options.int("limit") }, callOptions),
      );
    }),
};

const frontend: Command = {
  names: ["frontend"],
  commands: [
    {
      names: ["start"],
      usage: "start <frontend name>",
      argumentsText: "NAME",
      failure: "Error running frontend start command",
      run: async ({ globals, args: [name = ""] }) => {
        if (name === "") throw new Error("missing required parameter frontendName");
        await withVolume(globals, ({ engine }) =>
          engine.call(`failed to start frontend ${name} for volume ${engine.address}`, (calls, options) =>
            calls.volumeFrontendStart({ frontend: name }, options),
          ),
        );
      },
    },
    {
      names: ["shutdown"],
      usage: "shutdown",
      failure: "Error running frontend shutdown command",
      run: ({ globals }) =>
        withVolume(globals, async ({ engine }) => {
          await engine.call(`failed to shutdown frontend for volume ${engine.address}`, (calls, options) =>
            calls.volumeFrontendShutdown({}, options),
          );
        }),
    },
  ],
};

function profilerCommand(name: "show" | "enable" | "disable", op: 0 | 1 | 2): Command {
  const flags = [{ name: "port", kind: "int", default: 0, usage: "0: the gRPC port + 20001" }] as const;
  return {
    names: [name],
    flags: name === "enable" ? flags : [],
    failure: `Error running profiler ${name} command`,
    run: async ({ globals, options }) => {
      const { volumeName, engineInstanceName: instanceName } = identityOf(globals);
      const portNumber = name === "enable" ? options.int("port") : 0;
      const { connectProfiler, using } = await import("../../engine/client/connections.js");
      const profiler = connectProfiler(globals.string("url"), { volumeName, instanceName });
      const reply = await using(profiler, (connection) =>
        connection.call(`failed to ${name} profiler`, (calls, callOptions) =>
          calls.profilerOP({ requestOp: op, portNumber }, callOptions),
        ),
      );
      print(
        reply.profilerAddr === "" ? "profiler is disabled" : `profiler is enabled: ${reply.profilerAddr}`,
      );
    },
  };
}

const profiler: Command = {
  names: ["profiler"],
  commands: [profilerCommand("show", 0), profilerCommand("enable", 1), profilerCommand("disable", 2)],
};

export const VOLUME_COMMANDS: readonly Command[] = [
  info,
  versions,
  expand,
  unmapMark,
  journal,
  frontend,
  profiler,
];
