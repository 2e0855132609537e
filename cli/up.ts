/**
 * A whole volume on one machine: each replica in a process of its own, as if it were a node, and the engine. Stops them in
 * order, brings back what dies, and tells scripts by a file how things stand.
 */
import { rmSync } from "node:fs";
import { EXIT } from "../engine/exit-codes.js";
import { formatHostPort } from "../engine/host-port.js";
import type { EngineStatus } from "../proto/control.js";
import { Child } from "./child.js";
import { engineArguments } from "./engine-flags.js";
import { ReadyFile } from "./ready-file.js";
import { aborted, stopSignal } from "./signals.js";
import { askEngine, readEngineFile } from "./status.js";
import type { UpFlags } from "./up-command.js";
import { StateError, UpState } from "./up-state.js";
import { View } from "./view.js";

/** ms between looks at the engine: while it starts, and once it serves. */
const START_POLL_MS = 20;
const POLL_MS = 500;

/** ms that an engine and a replica may take to stop; the engine gives itself less. */
const ENGINE_STOP_MS = 30_000;
const REPLICA_STOP_MS = 30_000;

/** A child that fails this often before the volume was ever served is not started again: something is wrong with it. */
const START_FAILURES_MAX = 5;

const HOST = "127.0.0.1";

export class Up {
  readonly #stop = stopSignal();
  readonly #failure = new AbortController();
  readonly #readyFile: ReadyFile;
  #state: UpState | null = null;
  #replicas: Child[] = [];
  #engine: Child | null = null;
  #served = false;
  #problem: string | null = null;
  #timer: NodeJS.Timeout | null = null;
  #view: View | null = null;

  constructor(private readonly flags: UpFlags) {
    this.#readyFile = new ReadyFile(flags.readyFile ?? null);
  }

  /** @returns the exit code */
  async run(): Promise<number> {
    const { flags } = this;
    const { volume, size, replicas } = flags;
    try {
      this.#state = await UpState.open(flags.stateDir, { volume, size, replicas });
    } catch (error) {
      if (!(error instanceof StateError)) throw error;
      process.stderr.write(`aurochs up: ${error.message}\n`);
      return EXIT.FAILED.code;
    }
    const state = this.#state;
    const viewed = flags.view ?? process.stdout.isTTY;
    if (viewed) this.#view = new View(process.stdout);
    const stale = this.#readyFile.remove();
    if (stale !== null) throw stale;
    rmSync(state.engineFile, { force: true });
    this.#replicas = state.ports.map((port, index) => this.#replica(state, port, index, viewed));
    this.#engine = this.#engineChild(state, viewed);
    for (const child of [...this.#replicas, this.#engine]) child.start();
    this.#poll(START_POLL_MS);
    await Promise.race([aborted(this.#stop), aborted(this.#failure.signal)]);
    return this.#end(state);
  }

  async #end(state: UpState): Promise<number> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#view?.close();
    this.#problem ??= this.#readyFile.remove()?.message ?? null;
    // The engine first: its last act is to tell the replicas that all is durable and equal.
    const clean = [(await this.#engine?.stop(ENGINE_STOP_MS)) ?? true];
    clean.push(...(await Promise.all(this.#replicas.map((child) => child.stop(REPLICA_STOP_MS)))));
    rmSync(state.engineFile, { force: true });
    state.close();
    if (this.#problem !== null) process.stderr.write(`aurochs up: ${this.#problem}\n`);
    return this.#problem === null && clean.every(Boolean) ? EXIT.OK.code : EXIT.FAILED.code;
  }

  #replica(state: UpState, port: number, index: number, viewed: boolean): Child {
    const { volume, size, cache, bootIdFile } = this.flags;
    const name = `replica-${index + 1}`;
    const args = [
      ...["replica", state.replicaDirectory(index), "--listen", formatHostPort({ host: HOST, port })],
      ...["--volume", volume, "--size", String(size), "--replica-id", name, "--cache", cache],
      ...(bootIdFile === undefined ? [] : ["--boot-id-file", bootIdFile]),
    ];
    return new Child({
      args: () => args,
      logFile: viewed ? state.freshLog(name) : null,
      onStart: () => this.#update(),
      onEnd: (code, signal, failures) => this.#onEnd(name, code, signal, failures),
    });
  }

  #engineChild(state: UpState, viewed: boolean): Child {
    const { flags } = this;
    return new Child({
      args: () => [
        ...["engine", flags.volume, "--size", String(flags.size), "--ready-file", state.engineFile],
        ...["--listen", formatHostPort({ host: HOST, port: 0 })],
        ...state.ports.flatMap((port) => ["--replica", formatHostPort({ host: HOST, port })]),
        ...flags.portal.flatMap((portal) => ["--portal", formatHostPort(portal)]),
        ...engineArguments(flags, !this.#served),
      ],
      logFile: viewed ? state.freshLog("engine") : null,
      onStart: () => this.#update(),
      onEnd: (code, signal, failures) => {
        rmSync(state.engineFile, { force: true });
        if (this.#latest !== null) this.#latest = { ...this.#latest, status: null };
        this.#update();
        const final = Object.values(EXIT).find((exit) => exit.code === code && !exit.restart);
        if (final === undefined) return this.#onEnd("engine", code, signal, failures);
        return this.#fail(`the engine ended with code ${code ?? ""}; its log says why`);
      },
    });
  }

  #onEnd(name: string, code: number | null, signal: string | null, failures: number): boolean {
    const how = `${name} ended with ${signal ?? `code ${code ?? ""}`}`;
    if (!this.#served && failures >= START_FAILURES_MAX) return this.#fail(`${how}; its log says why`);
    this.#view?.note(`${how}; it is started again`);
    return true;
  }

  #fail(problem: string): false {
    this.#problem = problem;
    this.#failure.abort();
    return false;
  }

  // -------------------------------------------------------------------------------------------- the ready file

  #poll(delayMs: number): void {
    this.#timer = setTimeout(() => {
      this.#look()
        .then((status) => {
          if (status !== null) this.#view?.show(status, POLL_MS);
        })
        .catch((error: unknown) =>
          this.#view?.note(`the engine does not answer: ${(error as Error).message}`),
        )
        .finally(() => {
          if (!this.#stop.aborted && !this.#failure.signal.aborted)
            this.#poll(this.#served ? POLL_MS : START_POLL_MS);
        });
    }, delayMs);
  }

  /** `status` is null while no engine has told its own */
  #latest: { status: EngineStatus | null; iscsi: string } | null = null;

  async #look(): Promise<EngineStatus | null> {
    const ready = this.#state === null ? null : readEngineFile(this.#state.engineFile);
    if (ready?.control == null || ready.pid !== this.#engine?.pid) return null;
    const status = await askEngine(ready.control);
    this.#latest = { status, iscsi: ready.iscsi };
    const hadServed = this.#served;
    if (status.state === "serving" || status.state === "degraded") this.#served = true;
    if (hadServed) this.#update();
    else {
      const error = this.#write();
      if (error !== null) this.#fail(error.message);
    }
    return status;
  }

  /** Writes the ready file when what it says has changed: what serves goes on where that cannot be told. */
  #update(): void {
    const error = this.#write();
    if (error === null) return;
    if (this.#view === null) process.stderr.write(`aurochs up: ${error.message}\n`);
    else this.#view.note(error.message);
  }

  #write(): Error | null {
    if (!this.#served || this.#latest === null || this.#state === null) return null;
    const { status, iscsi } = this.#latest;
    const { ports } = this.#state;
    return this.#readyFile.write({
      iscsi,
      engine: { pid: this.#engine?.pid ?? null },
      replicas: this.#replicas.map((child, index) => {
        const address = formatHostPort({ host: HOST, port: ports[index] ?? 0 });
        const mode = status?.replicas.find((replica) => replica.address === address)?.mode ?? "CONNECTING";
        return { pid: child.pid, dir: this.#state?.replicaDirectory(index), address, mode };
      }),
    });
  }
}
