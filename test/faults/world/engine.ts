/** The engine on a host of its own, and what it says of itself. */
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { run, sleep, waitFor } from "../../tools/process.js";
import { PATIENCE_MS, STATUS_INTERVAL_MS, VOLUME_BYTES } from "../limits.js";
import type { Network } from "../net/network.js";
import type { CommandLine } from "./command-line.js";
import { HostProcess, lastLines, type Command } from "./host-process.js";
import type { Answer, EngineStatus, Question } from "./observer.js";
import { VOLUME } from "./replica.js";

const PORTAL_PORT = 3260;
export const UPGRADE = "--upgrade";
/** plus the number of the start: during an upgrade there are two */
const CONTROL_PORT = 9500;

export class Engine {
  readonly log: string;
  readonly url: string;
  wrapper: string[] = [];
  env: NodeJS.ProcessEnv = {};
  /** control addresses of the replicas as this engine is told them: a scenario may put something in between */
  replicas: string[];
  /** of all starts, and of all but the first */
  readonly flags: string[] = [];
  laterFlags: string[] = [];
  onStruck: NonNullable<Command["onStruck"]> = () => undefined;
  #process: HostProcess | null = null;
  #observer: HostProcess | null = null;
  #answers: AsyncIterator<string> | null = null;
  #starts = 0;
  #boots = 0;

  constructor(
    readonly host: string,
    private readonly network: Network,
    private readonly folder: string,
    replicas: readonly string[],
    private readonly commandLine: CommandLine,
  ) {
    this.log = join(folder, `engine-${host}.log`);
    this.url = `iscsi://${network.address(host)}:${PORTAL_PORT}/iqn.2019-10.io.longhorn:${VOLUME}/1`;
    this.replicas = [...replicas];
    this.reboot();
  }

  get process(): HostProcess {
    if (this.#process === null) throw new Error("the engine was never started");
    return this.#process;
  }

  get isRunning(): boolean {
    return this.#process !== null && this.#process.end === null;
  }

  /** Starts it and waits until it serves, or has ended. @returns whether it serves */
  async start(flags: readonly string[] = []): Promise<boolean> {
    if (this.commandLine.wantsClosedReplicas && !flags.includes(UPGRADE))
      for (const address of this.replicas) await this.closeReplica(address);
    const starting = this.launch(flags);
    return starting.served();
  }

  /** Starts it without waiting. */
  launch(flags: readonly string[] = []): { served(): Promise<boolean> } {
    const number = ++this.#starts;
    const readyFile = join(this.folder, `engine-${this.host}-${number}.json`);
    rmSync(readyFile, { force: true });
    const process = new HostProcess({
      inside: this.network.inside(this.host),
      argv: [
        ...this.wrapper,
        ...this.commandLine.engine({
          ...{ volume: VOLUME, size: String(VOLUME_BYTES), readyFile, bootIdFile: this.#bootIdFile },
          ...{ portal: `${this.network.address(this.host)}:${PORTAL_PORT}`, listen: this.#control },
          replicas: this.replicas,
        }),
        ...this.flags,
        ...(number > 1 ? this.laterFlags : []),
        ...flags,
      ],
      env: this.env,
      log: this.log,
      onStruck: this.onStruck,
    });
    this.#process = process;
    const isReady = async (): Promise<boolean> =>
      this.commandLine.writesReadyFile ? existsSync(readyFile) : (await this.status())?.state === "serving";
    const served = (): Promise<boolean> =>
      waitFor("the engine to serve or to end", PATIENCE_MS, async () => {
        if (process.end !== null) return false;
        return (await isReady()) ? true : undefined;
      });
    return { served };
  }

  /** A process that was started earlier is the one that counts again. */
  adopt(process: HostProcess): void {
    this.#process = process;
  }

  /** @throws with what it said when it does not serve */
  async mustStart(flags: readonly string[] = []): Promise<void> {
    if (!(await this.start(flags)))
      throw new Error(`the engine ended with ${String(this.process.end)}:\n${lastLines(this.log)}`);
  }

  async kill(): Promise<void> {
    await this.process.kill();
  }

  freeze(): void {
    this.#process?.signal("SIGSTOP");
  }

  thaw(): void {
    this.#process?.signal("SIGCONT");
  }

  reboot(): void {
    writeFileSync(this.#bootIdFile, `${this.host}-boot-${++this.#boots}\n`);
  }

  /** null when it does not answer */
  async status(): Promise<EngineStatus | null> {
    const question = { about: this.commandLine.name, address: this.#control, volume: VOLUME };
    const answer = await this.#ask(question);
    return "state" in answer ? answer : null;
  }

  /** A command of Longhorn's command line, on the engine's host. @throws with what it said */
  async command(...args: string[]): Promise<string> {
    const [program = "", ...rest] = this.network.inside(this.host);
    const volume = ["--url", this.#control, "--volume-name", VOLUME];
    return run(program, [...rest, "bin/longhorn", ...volume, ...args]);
  }

  /** Waits until it is there, and closed, as Longhorn's engine wants it. */
  async closeReplica(address: string): Promise<void> {
    await waitFor(`replica ${address} to be closed`, PATIENCE_MS, async () => {
      const answer = await this.#ask({ about: "close", address, volume: VOLUME });
      return "error" in answer ? undefined : true;
    });
  }

  async #ask(question: Question): Promise<Answer> {
    if (this.#observer === null) {
      this.#observer = new HostProcess({
        inside: this.network.inside(this.host),
        argv: ["node", "dist/test/faults/world/observer.js"],
        log: join(this.folder, "observer.log"),
        talks: true,
      });
      this.#answers = createInterface(this.#observer.stdout)[Symbol.asyncIterator]();
    }
    this.#observer.stdin.write(`${JSON.stringify(question)}\n`);
    const answer = (await this.#answers?.next()) as IteratorResult<string, undefined> | undefined;
    if (answer?.value === undefined) throw new Error("the observer has ended");
    return JSON.parse(answer.value) as Answer;
  }

  /** Waits until the status is as wanted. @throws with the last one */
  async until(
    what: string,
    wanted: (status: EngineStatus) => boolean,
    patienceMs = PATIENCE_MS,
  ): Promise<EngineStatus> {
    const deadline = Date.now() + patienceMs;
    for (;;) {
      const status = await this.status();
      if (status !== null && wanted(status)) return status;
      if (Date.now() > deadline) {
        const last = status === null ? "does not answer" : describe(status);
        throw new Error(`waited ${patienceMs} ms for ${what}; the engine: ${last}`);
      }
      await sleep(STATUS_INTERVAL_MS);
    }
  }

  async end(): Promise<void> {
    if (this.isRunning) await this.kill();
    await this.#observer?.kill();
  }

  get #control(): string {
    return `127.0.0.1:${CONTROL_PORT + this.#starts}`;
  }

  get #bootIdFile(): string {
    return join(this.folder, `boot-${this.host}`);
  }
}

/** A status in one line. */
export function describe({ state, reason, replicas }: EngineStatus): string {
  const each = replicas.map(({ mode, cause }) => (cause === "" ? mode : `${mode} (${cause})`)).join(", ");
  return `${state}${reason === "" ? "" : ` (${reason})`}: ${each}`;
}
