/** What a command of `longhorn` is. */
import type { VolumeClient } from "../../engine/client/volume.js";
import type { Flag, Options } from "../../manager/longhorn-command/arguments.js";

export interface Invocation {
  /** the options before the command */
  globals: Options;
  options: Options;
  args: readonly string[];
}

export interface Command {
  /** the name, then its aliases */
  names: readonly [string, ...string[]];
  usage?: string;
  /** of the positional arguments, for help */
  argumentsText?: string;
  flags?: readonly Flag[];
  commands?: readonly Command[];
  /** absent: only its subcommands do something */
  run?: (invocation: Invocation) => Promise<void>;
  /** what the log says when `run` fails; with `%` the error's text is put there, else it is a field of its own */
  failure?: string;
}

export const HELP_FLAG: Flag = { name: "help", aliases: ["h"], kind: "bool", usage: "show help" };

/** Flags that several commands have. */
export const SIZE_FLAGS: readonly Flag[] = [
  { name: "size", kind: "string", usage: "Volume nominal size in bytes or human readable 42kb, 42mb, 42gb" },
  {
    name: "current-size",
    kind: "string",
    usage: "Volume current size in bytes or human readable 42kb, 42mb, 42gb",
  },
];
export const FILE_SYNC_FLAGS: readonly Flag[] = [
  {
    name: "file-sync-http-client-timeout",
    kind: "int",
    default: 5,
    usage: "HTTP client timeout for replica file sync server",
  },
  {
    name: "grpc-timeout-seconds",
    kind: "int",
    default: 0,
    usage: "Timeout of the calls that move data; 24 hours when it is not positive",
  },
];

export function identityOf(globals: Options) {
  return {
    volumeName: globals.string("volume-name"),
    engineInstanceName: globals.string("engine-instance-name"),
  };
}

/** Uses the volume that the global options name. */
export async function withVolume<T>(globals: Options, use: (volume: VolumeClient) => Promise<T>): Promise<T> {
  const { VolumeClient: Client } = await import("../../engine/client/volume.js");
  const volume = new Client(globals.string("url"), identityOf(globals));
  try {
    return await use(volume);
  } finally {
    volume.close();
  }
}

/** Where commands write to. */
export const io = {
  out: (text: string): unknown => process.stdout.write(text),
  err: (text: string): unknown => process.stderr.write(text),
};

export function print(text: string): void {
  io.out(`${text}\n`);
}
