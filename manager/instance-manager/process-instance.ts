/** An instance that is a process of its own. An engine of ours that crashes is started again under its initiators. */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { EXIT, EXIT_NO_DATA } from "../../engine/exit-codes.js";
import { Backoff } from "./backoff.js";
import { restartArguments, type EngineFacts } from "./engine-restart.js";
import { exitsDirectory } from "./exit-file.js";
import { becomesHealthy, probeAddress } from "./health-probe.js";
import { Instance } from "./instance.js";
import { lastWords } from "./last-words.js";
import { ENGINE_IDS_MAX, STOP_TIMEOUT_MS } from "./limits.js";
import { endingNoted, LivingProcess } from "./living-process.js";
import { logLength } from "./logs.js";
import type { EngineRecord } from "./records.js";
import { endingText, type Ending } from "./status.js";

/** Ends after which the same start would end the same way, or take a volume from who has it now. Replicas that cannot be used
 * as they are may be on their way back as well: an engine that has run is waited for by its initiators. */
const FINAL_CODES: ReadonlySet<number> = new Set([
  ...Object.values(EXIT)
    .filter((exit) => !exit.restart && exit !== EXIT.MEMBERSHIP)
    .map(({ code }) => code),
  EXIT_NO_DATA,
]);

/** A signal ends a process without an exit code; one that is ours and an orphan leaves its code, so it was none. */
function hasCrashed({ code }: Ending): boolean {
  return code === null || !FINAL_CODES.has(code);
}

export class ProcessInstance extends Instance {
  #process: LivingProcess | null = null;
  readonly #backoff = new Backoff();
  #restart: NodeJS.Timeout | null = null;
  #kill: NodeJS.Timeout | null = null;
  /** byte of its log behind which its present process writes; of one that was found again it is not known */
  #logStart = 0;

  /** where its gRPC is; null: it has no port */
  get address(): string | null {
    const { ports, spec } = this.record;
    return ports === null ? null : probeAddress(spec.portArgs, ports.first);
  }

  get #exitFile(): string {
    return join(exitsDirectory(this.home.stateDirectory), encodeURIComponent(this.record.uuid));
  }

  begin(): void {
    void this.#start();
  }

  async #start(): Promise<void> {
    const { record, home } = this;
    const ids = record.engine?.ids ?? [];
    this.#backoff.started();
    try {
      const args = record.engine === null ? record.spec.args : await this.#engineArguments(record.engine);
      this.#logStart = logLength(this.logFile);
      const process = await LivingProcess.start({
        binary: record.spec.binary,
        args,
        logFile: this.logFile,
        exitFile: this.#exitFile,
        mark: record.uuid,
        bootId: home.bootId,
      });
      this.log.info({ pid: process.id.pid, args }, "process started");
      this.#watch(process);
    } catch (error) {
      const reason = (error as Error).message;
      // No replica knows what did not run.
      if (record.engine !== null) record.engine.ids = ids;
      // A disk that is full, as it were, may have room again; what is to end has ended.
      if (record.hasRun && record.status.state !== "stopping") this.#startLater(reason);
      else this.apply({ type: "failed", reason });
      return;
    }
    // Deleted meanwhile.
    if (record.status.state === "stopping") this.end();
  }

  /** Each process of an engine has an id that is known before it starts: the next one may take replicas over from it. */
  async #engineArguments(engine: EngineRecord): Promise<string[]> {
    const { spec, hasRun } = this.record;
    const before = engine.ids;
    const id = randomUUID();
    engine.ids = [...before, id].slice(-ENGINE_IDS_MAX);
    await this.home.records.write(this.key, this.record);
    const args = hasRun ? restartArguments(spec.args, engine.last) : spec.args;
    const resumed = hasRun ? before.flatMap((one) => ["--resume-from", one]) : [];
    return [...args, "--engine-id", id, ...resumed];
  }

  protected override async resume(): Promise<void> {
    const { record, home } = this;
    const { process: id, uuid } = record;
    const found =
      (id === null ? null : LivingProcess.adopt(id, this.#exitFile, home.bootId)) ??
      LivingProcess.findMarked(uuid, this.#exitFile, home.bootId);
    if (found === null) {
      this.#onEnded(endingNoted(this.#exitFile));
      return;
    }
    this.log.info({ pid: found.id.pid }, "process found again");
    this.#watch(found);
    if (record.status.state === "stopping") this.end();
    return Promise.resolve();
  }

  #watch(process: LivingProcess): void {
    this.#process = process;
    this.record.process = process.id;
    this.save();
    const gone = new AbortController();
    void process.ended.then((ending) => {
      gone.abort();
      this.#process = null;
      this.record.process = null;
      this.#onEnded(ending);
    });
    void this.#probe(gone.signal);
  }

  async #probe(signal: AbortSignal): Promise<void> {
    const { address, record } = this;
    if (record.status.state === "running" || address === null) {
      this.apply({ type: "ready" });
      return;
    }
    if (await becomesHealthy(address, signal)) {
      // It is recorded at its replicas; nobody comes after the engines before it.
      const { engine } = record;
      if (engine !== null) engine.ids = engine.ids.slice(-1);
      this.apply({ type: "ready" });
    } else if (!signal.aborted) {
      this.log.error({ address }, "the process does not serve, and is stopped");
      this.stop();
    }
  }

  #onEnded(ending: Ending): void {
    if (this.#kill !== null) clearTimeout(this.#kill);
    const { record } = this;
    const restarts = record.engine !== null && record.hasRun && hasCrashed(ending);
    this.log.info({ ending, restarts }, "process ended");
    const isOurs = record.engine !== null;
    const said =
      isOurs && ending.code !== null && ending.code !== 0 ? lastWords(this.logFile, this.#logStart) : "";
    if (!restarts || record.status.state === "stopping") {
      this.apply({ type: "ended", ending, said });
      return;
    }
    this.#startLater(endingText(ending, said));
  }

  /** @param reason why it does not run */
  #startLater(reason: string): void {
    this.apply({ type: "crashed", reason });
    this.#restart = setTimeout(() => {
      this.#restart = null;
      void this.#start();
    }, this.#backoff.ended());
  }

  /** How the engine is, for a start in its place. */
  noteEngine(last: EngineFacts): void {
    if (this.record.engine === null || JSON.stringify(this.record.engine.last) === JSON.stringify(last))
      return;
    this.record.engine.last = last;
    this.save();
  }

  /** Somebody has noticed that it may have ended. */
  look(): void {
    this.#process?.look();
  }

  /** Another one has taken its place. */
  hangUp(): void {
    this.leave();
    this.apply({ type: "stop" });
    this.#process?.signal("SIGHUP");
    if (this.#restart !== null) this.end();
  }

  protected end(): void {
    if (this.#process === null) {
      if (this.#restart === null) return; // its start is under way, and looks at the state
      clearTimeout(this.#restart);
      this.apply({ type: "ended", ending: { code: 0, signal: null }, said: "" });
      return;
    }
    const process = this.#process;
    process.signal("SIGINT");
    this.#kill ??= setTimeout(() => process.signal("SIGKILL"), STOP_TIMEOUT_MS);
  }
}
