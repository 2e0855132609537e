/** Gives engines their commands: one at a time to each, those that failed again after a while. */
import type { Logger } from "pino";
import { errorText } from "../../proto/rpc-error.js";
import { tellAs, type Events } from "../events/events.js";
import { bytesOf } from "../objects/bytes.js";
import type { Resource } from "../objects/resource.js";
import { loadSettings } from "../settings/stored.js";
import type { Store } from "../store/store.js";
import type { Agents } from "./agents.js";
import { EngineCaller } from "./engine-caller.js";
import type { EngineCommand } from "./engine-commands.js";
import { replicaUrl } from "./engine-instance.js";
import { ADD_TRIES_MAX, COMMAND_RETRY_MS, ENGINE_CALL_TIMEOUT_MS, EXPANSION_REPORT_MS } from "./limits.js";

interface Driven {
  /** of the process that it was given to: another one has no failures yet */
  uuid: string;
  busy: boolean;
  /** by command */
  failures: Map<string, { count: number; notBefore: number }>;
  /** the replica that is being made whole, between attempts as well */
  adding: Set<string>;
  /** that has begun, and of which the engine has not told what has come of it */
  expansion: Expansion | null;
}

interface Expansion {
  size: number;
  /** what the engine had told of one before */
  failedAt: string;
  /** ms since 1970 from which its process has ended in the middle of it, and the next one knows nothing of it */
  lostFrom: number;
}

const CALL = { timeoutMs: ENGINE_CALL_TIMEOUT_MS };
const SECOND_MS = 1_000;

export class EngineDriver {
  readonly #driven = new Map<string, Driven>();
  readonly #caller: EngineCaller;
  #stopped = false;

  /** @param onDone called with the name of an engine that may get its next command */
  constructor(
    private readonly store: Store,
    agents: Agents,
    private readonly events: Events,
    private readonly log: Logger,
    private readonly onDone: (engine: string) => void,
  ) {
    this.#caller = new EngineCaller(agents);
  }

  /** Replicas that are being made whole, whatever the engine says of them between two attempts. */
  adding(engine: string): ReadonlySet<string> {
    return this.#driven.get(engine)?.adding ?? new Set();
  }

  /** Replicas that it was tried to make whole as often as that is tried. */
  givenUp({ metadata, spec, status }: Resource<"Engine">): string[] {
    const driven = this.#driven.get(metadata.name);
    if (driven?.uuid !== status.uuid) return [];
    const triesOf = (key: string) => driven.failures.get(key)?.count ?? 0;
    return Object.entries(spec.replicaAddressMap)
      .filter(([name, address]) => triesOf(keyOf({ command: "add-replica", name, address })) >= ADD_TRIES_MAX)
      .map(([name]) => name);
  }

  forget(engine: string): void {
    this.#driven.delete(engine);
  }

  /** What is under way goes on at its agent; whoever comes next finds it. */
  stop(): void {
    this.#stopped = true;
  }

  /** Begins with the first one that may be given now.
   * @returns ms since 1970 at which one that failed may be given again; null: nothing is waited for */
  drive(engine: Resource<"Engine">, commands: readonly EngineCommand[]): number | null {
    if (this.#stopped) return null;
    const driven = this.#of(engine);
    this.#noteExpansion(engine, driven);
    if (driven.busy) return null;
    forgetGone(engine, driven);
    let earliest = Infinity;
    for (const command of commands) {
      if (command.command === "expand" && driven.expansion?.size === command.size) {
        earliest = Math.min(earliest, driven.expansion.lostFrom);
        continue;
      }
      const { notBefore = 0 } = driven.failures.get(keyOf(command)) ?? {};
      if (Date.now() < notBefore) {
        earliest = Math.min(earliest, notBefore);
        continue;
      }
      driven.busy = true;
      void this.#give(engine, command, driven).finally(() => {
        driven.busy = false;
        if (!this.#stopped) this.onDone(engine.metadata.name);
      });
      return null;
    }
    return earliest === Infinity ? null : earliest;
  }

  #of({ metadata, status: { uuid } }: Resource<"Engine">): Driven {
    const present = this.#driven.get(metadata.name);
    if (present?.uuid === uuid) return present;
    const made = { uuid, busy: false, failures: new Map(), adding: new Set<string>(), expansion: null };
    this.#driven.set(metadata.name, made);
    return made;
  }

  async #give(engine: Resource<"Engine">, command: EngineCommand, driven: Driven): Promise<void> {
    if (command.command === "add-replica") driven.adding.add(command.name);
    try {
      await this.#carryOut(engine, command);
      if (command.command === "expand")
        driven.expansion = {
          ...{ size: command.size, failedAt: engine.status.lastExpansionFailedAt },
          lostFrom: Date.now() + EXPANSION_REPORT_MS,
        };
      else driven.failures.delete(keyOf(command));
      if (command.command === "add-replica") driven.adding.delete(command.name);
    } catch (error) {
      this.#noteFailure(engine, command, driven, error);
    }
  }

  #noteFailure(engine: Resource<"Engine">, command: EngineCommand, driven: Driven, error: unknown): void {
    const key = keyOf(command);
    const count = (driven.failures.get(key)?.count ?? 0) + 1;
    const wait = Math.min(COMMAND_RETRY_MS.first * 2 ** (count - 1), COMMAND_RETRY_MS.max);
    driven.failures.set(key, { count, notBefore: Date.now() + wait });
    this.log.warn(
      { err: error, engine: engine.metadata.name, command, count },
      "not done, tried again later",
    );
    if (command.command === "expand") this.#tell(engine, "Warning", "FailedExpansion", errorText(error));
    if (command.command !== "add-replica") return;
    this.#tell(engine, "Warning", "FailedRebuilding", `${command.name}: ${errorText(error)}`);
    if (count >= ADD_TRIES_MAX) driven.adding.delete(command.name);
  }

  /** An engine answers when an expansion has begun; what comes of it shows in how it is. */
  #noteExpansion(engine: Resource<"Engine">, driven: Driven): void {
    if (driven.expansion === null) return;
    const { size, failedAt, lostFrom } = driven.expansion;
    const { currentSize, isExpanding, lastExpansionError, lastExpansionFailedAt } = engine.status;
    const command = { command: "expand", size } as const;
    if (bytesOf(currentSize) >= size) {
      driven.failures.delete(keyOf(command));
      this.#tell(
        engine,
        "Normal",
        "SucceededExpansion",
        `volume ${engine.spec.volumeName} has ${size} bytes`,
      );
    } else if (isExpanding) {
      driven.expansion.lostFrom = Date.now() + EXPANSION_REPORT_MS;
      return;
    } else if (!["", failedAt].includes(lastExpansionFailedAt))
      this.#noteFailure(engine, command, driven, new Error(lastExpansionError));
    else if (Date.now() < lostFrom) return;
    driven.expansion = null;
  }

  async #carryOut(engine: Resource<"Engine">, command: EngineCommand): Promise<void> {
    switch (command.command) {
      case "start-frontend":
        await this.#caller.call(
          engine,
          (proxy, proxyEngineRequest) =>
          proxy.volumeFrontendStart({ proxyEngineRequest, frontendStart: { frontend: command.frontend } }, CALL), // prettier-ignore
        );
        break;
      case "set-unmap-mark":
        await this.#caller.call(
          engine,
          (proxy, proxyEngineRequest) =>
          proxy.volumeUnmapMarkSnapChainRemovedSet({ proxyEngineRequest, unmapMarkSnap: { enabled: command.enabled } }, CALL), // prettier-ignore
        );
        break;
      case "set-snapshot-max-count":
        await this.#caller.call(engine, (proxy, proxyEngineRequest) =>
          proxy.volumeSnapshotMaxCountSet({ proxyEngineRequest, count: { count: command.count } }, CALL),
        );
        break;
      case "set-snapshot-max-size":
        await this.#caller.call(engine, (proxy, proxyEngineRequest) =>
          proxy.volumeSnapshotMaxSizeSet({ proxyEngineRequest, size: { size: command.size } }, CALL),
        );
        break;
      case "set-witness":
        await this.#caller.callNode(engine, ({ engineWitnessSet }) =>
          engineWitnessSet({ name: engine.metadata.name, address: command.address }, CALL),
        );
        break;
      case "expand":
        await this.#caller.call(engine, (proxy, proxyEngineRequest) =>
          proxy.volumeExpand({ proxyEngineRequest, expand: { size: command.size } }, CALL),
        );
        break;
      case "remove-replica":
        await this.#caller.call(
          engine,
          (proxy, proxyEngineRequest) =>
          proxy.replicaRemove({ proxyEngineRequest, replicaAddress: replicaUrl(command.address), replicaName: "" }, CALL), // prettier-ignore
        );
        this.#tell(engine, "Normal", "Delete", `${command.address} is no replica any more`);
        break;
      case "add-replica":
        await this.#addReplica(engine, command.name, command.address);
        break;
      default:
        command satisfies never;
    }
  }

  async #addReplica(engine: Resource<"Engine">, name: string, address: string): Promise<void> {
    const settings = await loadSettings(this.store);
    const seconds = settings.number("long-grpc-timeout");
    const size = Number(engine.spec.volumeSize);
    const currentSize = Number(engine.status.currentSize);
    this.#tell(engine, "Normal", "Rebuilding", `${name} is being made whole`);
    await this.#caller.call(engine, (proxy, proxyEngineRequest) =>
      proxy.replicaAdd(
        {
          ...{ proxyEngineRequest, replicaAddress: replicaUrl(address), replicaName: name, restore: false },
          ...{ size, currentSize, fastSync: settings.flag("fast-replica-rebuild-enabled") },
          fileSyncHttpClientTimeout: settings.number("replica-file-sync-http-client-timeout"),
          ...{ grpcTimeoutSeconds: seconds, localSync: null },
        },
        { timeoutMs: seconds * SECOND_MS },
      ),
    );
    this.#tell(engine, "Normal", "Rebuilt", `${name} is whole`);
    if (settings.flag("disable-snapshot-purge") || !settings.flag("auto-cleanup-system-generated-snapshot"))
      return;
    // The snapshot that a rebuild needs is of no use afterwards; the next purge takes it if this one does not.
    await this.#caller
      .call(engine, (proxy, proxyEngineRequest) =>
        proxy.snapshotPurge({ proxyEngineRequest, skipIfInProgress: true }, CALL),
      )
      .catch((error: unknown) =>
        this.#tell(engine, "Warning", "FailedStartingSnapshotPurge", errorText(error)),
      );
  }

  #tell(engine: Resource<"Engine">, type: "Normal" | "Warning", reason: string, message: string): void {
    tellAs(this.events, "longhorn-engine-controller")(engine, { type, reason, message });
  }
}

/** The next replica may have the address of one that is gone, and has no failures yet. */
function forgetGone({ spec }: Resource<"Engine">, { failures }: Driven): void {
  const wanted = new Set(
    Object.entries(spec.replicaAddressMap).map(([name, address]) =>
      keyOf({ command: "add-replica", name, address }),
    ),
  );
  for (const key of failures.keys())
    if (key.startsWith("add-replica ") && !wanted.has(key)) failures.delete(key);
}

function keyOf(command: EngineCommand): string {
  switch (command.command) {
    case "remove-replica":
    case "set-witness":
      return `${command.command} ${command.address}`;
    case "add-replica":
      return `${command.command} ${command.name} ${command.address}`;
    case "expand":
      return `${command.command} ${command.size}`;
    default:
      return command.command;
  }
}
