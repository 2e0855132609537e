/** Finds the command that was given, runs it, and says how that went, as Longhorn's executable does. */
import { errorText } from "../../proto/rpc-error.js";
import {
  parseArguments,
  UsageError,
  type Options,
  type Parsed,
} from "../../manager/longhorn-command/arguments.js";
import { BACKUP_COMMANDS } from "./backup-commands.js";
import { HELP_FLAG, type Command, io } from "./command.js";
import { GLOBAL_FLAGS } from "../../manager/longhorn-command/flags.js";
import { ExitError } from "./exit-error.js";
import { commandHelp, programHelp } from "./help.js";
import { REPLICA_COMMANDS } from "./replica-commands.js";
import { SERVER_COMMANDS } from "./server-commands.js";
import { SNAPSHOT_COMMANDS } from "./snapshot-commands.js";
import { logLine } from "./text.js";
import { VOLUME_COMMANDS } from "./volume-commands.js";
import { version } from "../version.js";

export const COMMANDS: readonly Command[] = [
  ...SERVER_COMMANDS,
  ...VOLUME_COMMANDS,
  ...REPLICA_COMMANDS,
  ...SNAPSHOT_COMMANDS,
  ...BACKUP_COMMANDS,
];

const FAILED = 1;

/** @param argv without the executable
 * @returns the exit code */
export async function run(argv: readonly string[]): Promise<number> {
  let parsed: Parsed;
  try {
    parsed = parseArguments(GLOBAL_FLAGS, argv, "before");
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    io.out("usage error, please check your command\n");
    return FAILED;
  }
  const { options: globals, args } = parsed;
  if (globals.bool("version")) {
    io.out(`longhorn version ${version()}\n`);
    return 0;
  }
  const [name, ...rest] = args;
  if (name === undefined || globals.bool("help")) {
    io.out(programHelp(COMMANDS));
    return 0;
  }
  if (name === "help" || name === "h") return help(rest);
  const command = find(COMMANDS, name);
  if (command === undefined) return unrecognized(name);
  return runCommand(command, command.names[0], globals, rest);
}

function find(commands: readonly Command[], name: string): Command | undefined {
  return commands.find(({ names }) => names.includes(name));
}

function unrecognized(name: string): number {
  io.out(`unrecognized command: ${name}\n`);
  return FAILED;
}

function help([name]: readonly string[]): number {
  const command = name === undefined ? undefined : find(COMMANDS, name);
  if (name !== undefined && command === undefined) return unrecognized(name);
  io.out(command === undefined ? programHelp(COMMANDS) : commandHelp(command.names[0], command));
  return 0;
}

async function runCommand(
  command: Command,
  path: string,
  globals: Options,
  argv: readonly string[],
): Promise<number> {
  let parsed: Parsed;
  try {
    // Below a command with subcommands, options belong to the subcommand.
    const where = command.commands === undefined ? "anywhere" : "before";
    parsed = parseArguments([...(command.flags ?? []), HELP_FLAG], argv, where);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    io.out(`Incorrect Usage: ${error.message}\n\n${commandHelp(path, command)}`);
    io.err(logLine("fatal", "Error when executing command", { error: error.message }));
    return FAILED;
  }
  const { options, args } = parsed;
  if (options.bool("help")) {
    io.out(commandHelp(path, command));
    return 0;
  }
  const [name, ...rest] = args;
  const below = name === undefined ? undefined : find(command.commands ?? [], name);
  if (below !== undefined) return runCommand(below, `${path} ${below.names[0]}`, globals, rest);
  if (command.run === undefined) {
    if (name !== undefined && name !== "help" && name !== "h") return unrecognized(name);
    io.out(commandHelp(path, command));
    return 0;
  }
  try {
    await command.run({ globals, options, args });
    return 0;
  } catch (error) {
    io.err(failureLine(command.failure ?? "Error running command %", errorText(error)));
    return error instanceof ExitError ? error.exitCode : FAILED;
  }
}

function failureLine(failure: string, text: string): string {
  if (failure.includes("%"))
    return logLine(
      "fatal",
      failure.replace("%", () => text),
    );
  return logLine("fatal", failure, { error: text });
}
