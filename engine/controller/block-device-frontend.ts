/** Longhorn's `tgt-blockdev` frontend: a target, this machine's initiator logged in to it, and the device `/dev/longhorn/NAME`. */
import { join } from "node:path";
import type { AttachedVolume } from "../attached-volume.js";
import type { HostPort } from "../host-port.js";
import { BlockDevice } from "../initiator/block-device.js";
import { findMachine, type Machine } from "../initiator/commands.js";
import { withLock } from "../initiator/lock.js";
import { ownAddress } from "../initiator/own-address.js";
import { iqnOf, LUN } from "../volume-target.js";
import type { Frontend, FrontendOptions, Succession } from "./frontend.js";
import { IscsiFrontend } from "./iscsi-frontend.js";

const DEVICE_FOLDER = "/dev/longhorn";
const LOCK_NAME = "longhorn-iscsi.lock";
const WILDCARDS = ["0.0.0.0", "::"];

export class BlockDeviceFrontend implements Frontend {
  readonly name = "tgt-blockdev";
  readonly endpoint: string;
  readonly #device: BlockDevice;
  #target: IscsiFrontend | null = null;

  constructor(
    private readonly options: FrontendOptions,
    private readonly machine: Machine = findMachine(),
  ) {
    const { volume, log } = options;
    this.endpoint = join(DEVICE_FOLDER, volume);
    this.#device = new BlockDevice(machine, { iqn: iqnOf(volume), lun: LUN, path: this.endpoint, log });
  }

  async start(attached: AttachedVolume, size: number, succeeds: Succession | null): Promise<void> {
    // What the target before has not answered, the initiator sends again to the next one, for which it looks where that was.
    const goesOn = succeeds !== null && (succeeds.crashed || succeeds.unitState !== null);
    const session = goesOn ? await this.#device.session() : null;
    // Of one that the kernel has given up there is no disk any more.
    if (session === null || session.disks.size === 0) {
      const lock = join(this.options.runDirectory, LOCK_NAME);
      await withLock(lock, () => this.#startAnew(attached, size, succeeds));
      return;
    }
    const { portals } = this.options;
    const listened = portals.some((given) => covers(given, session.portal)) ? portals : [session.portal];
    await this.#serve(attached, size, succeeds, listened, () => this.#device.adopt(session, size));
  }

  async #startAnew(attached: AttachedVolume, size: number, succeeds: Succession | null): Promise<void> {
    await this.#device.cleanUp();
    const { portals } = this.options;
    const own = ownAddress(this.machine.sharesNetwork);
    const listened = portals.length > 0 ? portals : [{ host: own, port: 0 }];
    await this.#serve(attached, size, succeeds, listened, async ([bound]) => {
      if (bound === undefined) throw new Error("there is no portal to log in at");
      const portal = { ...bound, host: WILDCARDS.includes(bound.host) ? own : bound.host };
      try {
        await this.#device.attach(portal, size);
      } catch (error) {
        await this.#device.detach();
        throw error;
      }
    });
  }

  async #serve(
    attached: AttachedVolume,
    size: number,
    succeeds: Succession | null,
    portals: HostPort[],
    connect: (bound: readonly HostPort[]) => Promise<void>,
  ): Promise<void> {
    const { volume, log } = this.options;
    const target = new IscsiFrontend({ volume, portals, log });
    await target.start(attached, size, succeeds);
    try {
      await connect(target.bound);
    } catch (error) {
      await target.stop();
      throw error;
    }
    this.#target = target;
  }

  async grow(size: number): Promise<void> {
    await this.#target?.grow(size);
    await this.#device.grow(size);
  }

  async stop(): Promise<void> {
    const target = this.#target;
    this.#target = null;
    if (target === null) return;
    const clean = await this.#device.detach();
    await target.stop();
    // A logout that waited for an answer goes through once there is nobody to wait for.
    if (!clean) await this.#device.detach();
  }

  suspend(): Promise<Buffer | null> {
    return this.#target?.suspend() ?? Promise.resolve(null);
  }

  resume(): void {
    this.#target?.resume();
  }

  /** The initiator stays logged in, and finds the next target. */
  async leave(): Promise<void> {
    this.#device.leave();
    await this.#target?.leave();
  }

  async close(): Promise<void> {
    const target = this.#target;
    this.#target = null;
    this.#device.leave();
    await target?.close();
  }

  /** Otherwise whoever uses the device would wait until the kernel gives the session up, and the session would stay. */
  async abandon(): Promise<void> {
    const target = this.#target;
    this.#target = null;
    if (target === null) return;
    // Not waited for: what is under way may never end.
    void target.close().catch(() => undefined);
    if (!(await this.#device.detach())) await this.#device.detach();
  }
}

function covers(given: HostPort, { host, port }: HostPort): boolean {
  return given.port === port && (given.host === host || WILDCARDS.includes(given.host));
}
