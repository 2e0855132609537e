/** Programs of the machine. Each has a time limit, and what it said is in the error. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { COMMAND_TIMEOUT_MS, OUTPUT_CHARS_MAX } from "../limits.js";

export interface Result {
  /** -1: ended by a signal, or not in time */
  exitCode: number;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  timeoutMs?: number;
  /** what it reads: a pass phrase is on no command line */
  input?: string;
  /** exit codes that are no failure; 0, if absent */
  accepts?: readonly number[];
}

export class CommandError extends Error {
  override readonly name = "CommandError";
  constructor(
    readonly exitCode: number,
    message: string,
  ) {
    super(message);
  }
}

/** Nothing is known of what it has done, and it may go on. */
export function isTimeout(error: unknown): error is CommandError {
  return error instanceof CommandError && error.exitCode === -1;
}

export interface Commands {
  /** Runs a program to its end.
   * @throws {CommandError} with what it said */
  run(program: string, args: readonly string[], options?: RunOptions): Promise<Result>;
}

/** As a shell has it. */
const NOT_FOUND = 127;

/** Where a container finds the machine's first process. */
const HOST_NAMESPACES = "/host/proc/1/ns";

/** cryptsetup works with the machine's udev, which is reached where that runs. */
export function hostCommands(namespaces = HOST_NAMESPACES): Commands {
  if (!existsSync(`${namespaces}/mnt`)) return new SystemCommands();
  return new SystemCommands(["nsenter", `--mount=${namespaces}/mnt`, `--ipc=${namespaces}/ipc`]);
}

export class SystemCommands implements Commands {
  /** @param prefix a program, and its arguments, that runs others; empty for none */
  constructor(private readonly prefix: readonly string[] = []) {}

  async run(program: string, args: readonly string[], options: RunOptions = {}): Promise<Result> {
    const { timeoutMs = COMMAND_TIMEOUT_MS, accepts = [0] } = options;
    const result = await this.#spawn(program, args, timeoutMs, options.input);
    if (accepts.includes(result.exitCode)) return result;
    const said = (result.stderr.trim() || result.stdout.trim()).replace(/\s*\n\s*/g, "; ");
    const why = result.exitCode === -1 ? `did not end within ${timeoutMs / 1000} s` : `exited with ${result.exitCode}`; // prettier-ignore
    throw new CommandError(result.exitCode, `${program} ${args.join(" ")}: ${why}${said === "" ? "" : `: ${said}`}`); // prettier-ignore
  }

  /** One that hangs in the kernel cannot be ended: it is not waited for. */
  #spawn(program: string, args: readonly string[], timeoutMs: number, input?: string): Promise<Result> {
    const [first = program, ...rest] = [...this.prefix, program, ...args];
    const path = `${process.env["PATH"] ?? ""}:/usr/sbin:/usr/bin:/sbin:/bin`;
    const child = spawn(first, rest, {
      stdio: [input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
      env: { ...process.env, LC_ALL: "C", PATH: path },
    });
    const texts = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const)
      child[name]?.setEncoding("utf8").on("data", (text: string) => {
        texts[name] = (texts[name] + text).slice(0, OUTPUT_CHARS_MAX);
      });
    // One that ends without reading it has said why.
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(input);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        child.kill("SIGKILL");
        child.unref();
        resolve({ exitCode: -1, ...texts });
      }, timeoutMs);
      child.once("error", (error: NodeJS.ErrnoException) => {
        clearTimeout(timer);
        reject(
          new CommandError(NOT_FOUND, error.code === "ENOENT" ? `${first} is not installed` : error.message),
        );
      });
      child.once("close", (code) => {
        clearTimeout(timer);
        resolve({ exitCode: code ?? -1, ...texts });
      });
    });
  }
}
