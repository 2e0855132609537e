/** A process on one of the rig's hosts. It ends with the rig, however that ends. */
import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import type { Readable, Writable } from "node:stream";
import { waitFor } from "../../tools/process.js";
import { PATIENCE_MS } from "../limits.js";

export interface Command {
  /** what puts it on its host, see `Network.inside` */
  inside: readonly string[];
  argv: readonly string[];
  env?: NodeJS.ProcessEnv;
  /** what it says is added to this file; with `talks`, only its stderr */
  log: string;
  /** stdin and stdout are pipes */
  talks?: boolean;
  /** told whether a signal that stops or kills it did so */
  onStruck?: (what: string, held: boolean) => void;
}

/** ms until a process that gets SIGSTOP has stopped */
const STOPPED_MS = 2_000;

export class HostProcess {
  readonly #child: ChildProcess;
  readonly #onStruck: NonNullable<Command["onStruck"]>;
  #end: number | NodeJS.Signals | null = null;

  constructor(command: Command) {
    const [program = "", ...args] = [
      ...["setpriv", "--pdeathsig", "KILL"],
      ...command.inside,
      ...command.argv,
    ];
    const log = openSync(command.log, "a");
    const pipe = command.talks === true ? "pipe" : null;
    this.#child = spawn(program, args, {
      stdio: [pipe ?? "ignore", pipe ?? log, log],
      env: { ...process.env, ...command.env },
      detached: true, // a Ctrl-C is for the rig alone
    });
    closeSync(log);
    this.#child.once("error", () => (this.#end = -1));
    this.#child.once("close", (code, signal) => {
      this.#end = code ?? signal;
      if (signal === "SIGKILL") this.#onStruck(`process ${this.pid} is killed`, true);
    });
    this.#onStruck = command.onStruck ?? (() => undefined);
    // A line to a process that has ended shows as a missing answer.
    this.#child.stdin?.on("error", () => undefined);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** the exit code or signal; null while it runs */
  get end(): number | NodeJS.Signals | null {
    return this.#end;
  }

  get stdin(): Writable {
    return present(this.#child.stdin);
  }

  get stdout(): Readable {
    return present(this.#child.stdout);
  }

  signal(signal: NodeJS.Signals): void {
    if (this.#end !== null) return;
    this.#child.kill(signal);
    if (signal === "SIGSTOP") this.#onStruck(`process ${this.pid} stands still`, this.#hasStopped());
  }

  #hasStopped(): boolean {
    const deadline = Date.now() + STOPPED_MS;
    const isStopped = (): boolean => / \(.*\) T /s.test(readFileSync(`/proc/${this.pid}/stat`, "utf8"));
    while (!isStopped()) if (Date.now() > deadline) return false;
    return true;
  }

  /** Waits until it has ended. @param patienceMs how long */
  async ended(patienceMs = PATIENCE_MS): Promise<number | NodeJS.Signals> {
    return waitFor(`process ${this.pid} to end`, patienceMs, () => this.#end ?? undefined);
  }

  /** SIGKILL, and waits until it is gone. */
  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.ended();
  }
}

/** The last lines of a log, for an error message. */
export function lastLines(log: string, count = 8): string {
  return readFileSync(log, "utf8").trimEnd().split("\n").slice(-count).join("\n");
}

function present<T>(stream: T | null): T {
  if (stream === null) throw new Error("this process does not talk");
  return stream;
}
