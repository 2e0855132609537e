/** How a volume is offered to initiators: Longhorn's frontends by name. */
import type { Logger } from "pino";
import type { AttachedVolume } from "../attached-volume.js";
import { formatHostPort, type HostPort } from "../host-port.js";
import type { IscsiTarget } from "../target/target.js";
import { createTarget, iqnOf } from "../volume-target.js";

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
   * @throws {Error} and then it is down */
  start(attached: AttachedVolume, size: number): Promise<void>;
  /** Lets initiators finish. Idempotent. */
  stop(): Promise<void>;
}

type Factory = (options: FrontendOptions) => Frontend;

const FRONTENDS = new Map<string, Factory>([["tgt-iscsi", (options) => new IscsiFrontend(options)]]);

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

  constructor(private readonly options: FrontendOptions) {}

  get endpoint(): string {
    return iqnOf(this.options.volume);
  }

  async start(attached: AttachedVolume, size: number): Promise<void> {
    const { volume, portals, log } = this.options;
    const target = createTarget(attached, {
      volume,
      size,
      logicalBlockSize: 512,
      acl: null,
      chap: null,
      log,
    });
    try {
      const bound = await target.start(portals);
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
}
