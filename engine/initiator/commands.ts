/** Programs of the machine that the local initiator needs: open-iscsi's iscsiadm and some that work on files. */
import { spawn } from "node:child_process";
import { existsSync, readlinkSync } from "node:fs";
import { COMMAND_TIMEOUT_MS, OUTPUT_CHARS_MAX } from "./limits.js";

export interface CommandResult {
  /** -1: ended by a signal, or not in time */
  exitCode: number;
  /** what it printed, without white space around; errors come last */
  output: string;
}

export interface Commands {
  /** Runs a program to its end, whatever that is.
   * @throws {MissingProgramError} */
  run(program: string, args: readonly string[], timeoutMs?: number): Promise<CommandResult>;
}

export class MissingProgramError extends Error {
  override readonly name = "MissingProgramError";
  constructor(program: string) {
    super(`${program} is not installed`);
  }
}

/** What nsenter exits with when there is no such program. */
const NOT_FOUND = 127;

/** Where a container finds the machine's first process. */
const HOST_NAMESPACES = "/host/proc/1/ns";

export class SystemCommands implements Commands {
  /** @param prefix a program, and its arguments, that runs others; empty for none */
  constructor(private readonly prefix: readonly string[] = []) {}

  async run(
    program: string,
    args: readonly string[],
    timeoutMs = COMMAND_TIMEOUT_MS,
  ): Promise<CommandResult> {
    const [first = program, ...rest] = [...this.prefix, program, ...args];
    const child = spawn(first, rest, {
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        ...process.env,
        LC_ALL: "C",
        PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/usr/bin:/sbin:/bin`,
      },
      timeout: timeoutMs,
      killSignal: "SIGKILL",
    });
    const texts = ["", ""];
    [child.stdout, child.stderr].forEach((stream, index) =>
      stream.setEncoding("utf8").on("data", (text: string) => {
        texts[index] = ((texts[index] ?? "") + text).slice(0, OUTPUT_CHARS_MAX);
      }),
    );
    const exitCode = await new Promise<number>((resolve, reject) => {
      child.once("error", (error: NodeJS.ErrnoException) =>
        reject(error.code === "ENOENT" ? new MissingProgramError(first) : error),
      );
      child.once("close", (code) => resolve(code ?? -1));
    });
    if (exitCode === NOT_FOUND && this.prefix.length > 0) throw new MissingProgramError(program);
    return { exitCode, output: texts.join("\n").trim() };
  }
}

/** Where programs of the initiator run. */
export interface Machine {
  /** in the mount and network namespaces that the initiator works in */
  host: Commands;
  /** in ours; the same object where these are ours */
  own: Commands;
  /** whether the initiator reaches our loopback address */
  sharesNetwork: boolean;
}

/** In a container to which the machine's processes are shown, the initiator is the machine's. */
export function findMachine(namespaces = HOST_NAMESPACES): Machine {
  const own = new SystemCommands();
  if (!existsSync(`${namespaces}/mnt`)) return { host: own, own, sharesNetwork: true };
  const host = new SystemCommands(["nsenter", `--mount=${namespaces}/mnt`, `--net=${namespaces}/net`]);
  const sharesNetwork = readlinkSync(`${namespaces}/net`) === readlinkSync("/proc/self/ns/net");
  return { host, own, sharesNetwork };
}
