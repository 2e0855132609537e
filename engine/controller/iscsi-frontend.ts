/** Longhorn's `tgt-iscsi` frontend: a target; whoever wants to logs in. */
import type { AttachedVolume } from "../attached-volume.js";
import { formatHostPort, type HostPort } from "../host-port.js";
import { PORTAL_WAIT_MS } from "../target/limits.js";
import type { IscsiTarget } from "../target/target.js";
import { createTarget, iqnOf } from "../volume-target.js";
import type { Frontend, FrontendOptions, Succession } from "./frontend.js";

/** iSCSI's port, which initiators elsewhere take for granted. */
const DEFAULT_PORTAL = { host: "0.0.0.0", port: 3260 };

export class IscsiFrontend implements Frontend {
  readonly name = "tgt-iscsi";
  readonly abandon = null;
  #target: IscsiTarget | null = null;
  /** where it listened first: a port 0 is not chosen twice */
  #bound: HostPort[] | null = null;

  constructor(private readonly options: Pick<FrontendOptions, "volume" | "portals" | "log">) {}

  get endpoint(): string {
    return iqnOf(this.options.volume);
  }

  /** Where it listens. */
  get bound(): readonly HostPort[] {
    return this.#bound ?? [];
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
      const listened = this.#bound ?? (portals.length > 0 ? portals : [DEFAULT_PORTAL]);
      const bound = await target.start(listened, succeeds === null ? 0 : PORTAL_WAIT_MS);
      this.#bound = bound;
      log.info({ endpoint: this.endpoint, portals: bound.map(formatHostPort) }, "target started");
    } catch (error) {
      await target.shutdown();
      throw error;
    }
    this.#target = target;
  }

  grow(size: number): Promise<void> {
    this.#target?.capacityChanged(size);
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    const target = this.#target;
    this.#target = null;
    await target?.shutdown();
  }

  suspend(): Promise<Buffer | null> {
    return this.#target?.suspend() ?? Promise.resolve(null);
  }

  resume(): void {
    this.#target?.resume();
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
