/** How a volume is offered to initiators: Longhorn's frontends by name. */
import type { Logger } from "pino";
import type { AttachedVolume } from "../attached-volume.js";
import { formatHostPort, type HostPort } from "../host-port.js";
import { PORTAL_WAIT_MS } from "../target/limits.js";
import type { IscsiTarget } from "../target/target.js";
import { createTarget, iqnOf } from "../volume-target.js";
import { RestFrontend } from "./rest-frontend.js";

export interface FrontendOptions {
  volume: string;
  portals: HostPort[];
  log: Logger;
}

export interface Frontend {
  readonly name: string;
  /** What `info` shows while it is up. */
  readonly endpoint: string;
  /** @param size bytes
   * @param succeeds the frontend in whose place this one comes, and what `suspend` gave there; null: there is none
   * @throws {Error} and then it is down */
  start(attached: AttachedVolume, size: number, succeeds: Succession | null): Promise<void>;
  /** Lets initiators finish. Idempotent. */
  stop(): Promise<void>;
  /** As IscsiTarget has them: from `suspend` on nobody is answered, then it resumes, or leaves and is closed.
   * @throws {Error} another frontend cannot take its place */
  suspend(): Promise<Buffer | null>;
  resume(): Promise<void>;
  leave(): Promise<void>;
  close(): Promise<void>;
}

export interface Succession {
  unitState: Buffer | null;
}

type Factory = (options: FrontendOptions) => Frontend;

const FRONTENDS = new Map<string, Factory>([
  ["tgt-iscsi", (options) => new IscsiFrontend(options)],
  ["rest", (options) => new RestFrontend(options)],
]);

/** @throws {Error} for a name that is not known */
export function newFrontend(name: string, options: FrontendOptions): Frontend {
  const factory = FRONTENDS.get(name);
  if (factory === undefined)
    throw new Error(`failed to find frontend: ${name}: unsupported frontend type: ${name}`);
  return factory(options);
}

/** A target; whoever wants to logs in. */
class IscsiFrontend implements Frontend {
  readonly name = "tgt-iscsi";
  #target: IscsiTarget | null = null;
  /** where it listened first: a port 0 is not chosen twice */
  #bound: HostPort[] | null = null;

  constructor(private readonly options: FrontendOptions) {}

  get endpoint(): string {
    return iqnOf(this.options.volume);
  }

  async start(attached: AttachedVolume, size: number, succeeds: Succession | null): Promise<void> {
    const { volume, portals, log } = this.options;
    const target = createTarget(attached, {
      volume,
      size,
      logicalBlockSize: 512,
      acl: null,
      chap: null,
      unitState: succeeds?.unitState ?? null,
      log,
    });
    try {
      const bound = await target.start(this.#bound ?? portals, succeeds === null ? 0 : PORTAL_WAIT_MS);
      this.#bound = bound;
      log.info({ endpoint: this.endpoint, portals: bound.map(formatHostPort) }, "frontend started");
    } catch (error) {
      await target.shutdown();
      throw error;
    }
    this.#target = target;
  }

  async stop(): Promise<void> {
    const target = this.#target;
    this.#target = null;
    await target?.shutdown();
  }

  suspend(): Promise<Buffer | null> {
    return this.#target?.suspend() ?? Promise.resolve(null);
  }

  async resume(): Promise<void> {
    await this.#target?.resume();
  }

  async leave(): Promise<void> {
    await this.#target?.leave();
  }

  async close(): Promise<void> {
    const target = this.#target;
    this.#target = null;
    await target?.close();
  }
}
