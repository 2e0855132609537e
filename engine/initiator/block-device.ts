/**
 * A volume's block device on this machine: the kernel's initiator logs in to the engine's target, and the disk that appears
 * is found under one name. iscsiadm works on the initiator; what it prints is taken apart by `iscsiadm.ts`.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import { formatHostPort, type HostPort } from "../host-port.js";
import type { Machine } from "./commands.js";
import { DeviceNode } from "./device-node.js";
import { iscsiadmError, NO_OBJECTS_FOUND, parseSessions, type IscsiSession } from "./iscsiadm.js";
import {
  ABORT_TIMEOUT_S,
  COMMAND_TIMEOUT_MS,
  DISK_POLL_MS,
  DISK_WAIT_MS,
  GROWTH_PAUSE_MS,
  LOGIN_TIMEOUT_MS,
  LOGOUT_TIMEOUT_MS,
  SCSI_TIMEOUT_S,
} from "./limits.js";

export interface BlockDeviceOptions {
  iqn: string;
  lun: number;
  /** e.g. `/dev/longhorn/NAME` */
  path: string;
  log: Logger;
}

export class BlockDevice {
  readonly #node: DeviceNode;
  /** where we logged in; null when there is nothing to undo */
  #portal: HostPort | null = null;
  /** that the node is made for, `MAJOR:MINOR`; null while there is none */
  #device: string | null = null;
  /** of looking at a disk that has not grown with the target */
  #growth = new AbortController();

  constructor(
    private readonly machine: Machine,
    private readonly options: BlockDeviceOptions,
    private readonly diskWaitMs = DISK_WAIT_MS,
  ) {
    const { host, own } = machine;
    this.#node = new DeviceNode(options.path, host === own ? [host] : [host, own]);
  }

  /** The session to the target that is there, or null. */
  async session(): Promise<IscsiSession | null> {
    return (await this.#sessions())[0] ?? null;
  }

  /** Ends what an engine has left that was killed, before anything of ours can be reached by it: a file system that is
   * mounted from an old session may be older than the volume by now.
   * @throws {Error} */
  async cleanUp(): Promise<void> {
    for (const session of await this.#sessions()) {
      const portal = formatHostPort(session.portal);
      this.options.log.warn({ session: session.id, portal }, "an old session is ended");
      await this.#end(session);
    }
    // Of all portals: they are as old as the engines that made them.
    await this.#delete(["-m", "node", "-T", this.options.iqn]);
    await this.#node.remove();
  }

  /** Logs in, waits for the disk, and makes the device node. After a failure `detach` ends what there is.
   * @param size bytes
   * @throws {Error} */
  async attach(portal: HostPort, size: number): Promise<void> {
    const { iqn } = this.options;
    const record = this.#record(portal);
    this.#portal = portal;
    await this.#iscsiadm("the target cannot be recorded", [...record, "-o", "new"]);
    for (const [name, value] of [
      // Or whatever starts open-iscsi at boot would look for a target that is gone.
      ["node.startup", "manual"],
      ["node.session.err_timeo.abort_timeout", String(ABORT_TIMEOUT_S)],
    ] as const)
      await this.#iscsiadm(`${name} cannot be set`, [...record, "-o", "update", "-n", name, "-v", value]);
    await this.#iscsiadm(
      `the initiator cannot log in to ${iqn} at ${formatHostPort(portal)}`,
      [...record, "--login"],
      LOGIN_TIMEOUT_MS,
    );
    const disk = await this.#waitForDisk(size);
    await this.#write(`/sys/class/block/${disk}/device/timeout`, String(SCSI_TIMEOUT_S));
    await this.#name(disk);
  }

  /** Uses the session that is there: the engine before has made it, and its portal is ours now.
   * @param size bytes: the volume may have grown, and that engine not have come to the disk
   * @throws {Error} */
  async adopt(session: IscsiSession, size: number): Promise<void> {
    const disk = session.disks.get(this.options.lun);
    if (disk === undefined) throw new Error(`session ${session.id} to ${session.target} has no disk`);
    this.#portal = session.portal;
    await this.#name(disk);
    this.#growLater(size);
  }

  /** Lets the kernel look at the disk again: the target has become larger.
   * @param size bytes
   * @throws {Error} it is as it was; looking goes on until it has grown */
  async grow(size: number): Promise<void> {
    this.leave();
    if (this.#portal === null) throw new Error(`there is no disk of ${this.options.iqn} that could grow`);
    try {
      await this.#waitForDisk(size, (disk) => this.#rescan(disk));
    } catch (error) {
      this.#growLater(size);
      throw error;
    }
  }

  /** Nobody else would look again: not the kernel, and the volume has grown. */
  #growLater(size: number): void {
    this.leave();
    const { signal } = (this.#growth = new AbortController());
    const look = async () => {
      for (;;) {
        try {
          await this.#waitForDisk(size, (disk) => this.#rescan(disk), signal);
          return;
        } catch (err) {
          if (signal.aborted) return;
          this.options.log.warn({ err, size }, "the disk has not grown");
        }
        await sleep(GROWTH_PAUSE_MS, undefined, { signal }).catch(() => undefined);
      }
    };
    void look();
  }

  /** Another engine looks after it from now on. */
  leave(): void {
    this.#growth.abort();
  }

  /** Logs out and removes the device node, as far as they are ours: another engine may have come in our place. What fails is
   * logged, and may be tried again.
   * @returns whether nothing is left */
  async detach(): Promise<boolean> {
    this.leave();
    const [portal, device] = [this.#portal, this.#device];
    if (portal === null) return true;
    const failures: unknown[] = [];
    for (const step of [
      () => this.#logout(portal),
      () => this.#delete(this.#record(portal)),
      () => (device === null ? Promise.resolve() : this.#removeNode(device, portal)),
    ])
      await step().catch((err: unknown) => failures.push(err));
    for (const err of failures)
      this.options.log.warn({ err }, "the block device could not be removed as a whole");
    if (failures.length > 0) return false;
    this.#portal = this.#device = null;
    return true;
  }

  async #logout(portal: HostPort): Promise<void> {
    const at = formatHostPort(portal);
    for (const session of await this.#sessions())
      if (formatHostPort(session.portal) === at) await this.#end(session);
  }

  /** The next engine's disk may have got the number of ours, which is gone. */
  async #removeNode(device: string, portal: HostPort): Promise<void> {
    const { lun } = this.options;
    for (const session of await this.#sessions()) {
      const disk = session.disks.get(lun);
      const isOthers = formatHostPort(session.portal) !== formatHostPort(portal);
      if (isOthers && disk !== undefined && (await this.#numberOf(disk)) === device) return;
    }
    await this.#node.remove(device);
  }

  #end({ id }: IscsiSession): Promise<void> {
    const args = ["-m", "session", "-r", String(id), "--logout"];
    return this.#iscsiadm(`session ${id} cannot be ended`, args, LOGOUT_TIMEOUT_MS);
  }

  async #name(disk: string): Promise<void> {
    const { log, path } = this.options;
    const device = await this.#numberOf(disk);
    if (device === null || !/^\d+:\d+$/.test(device)) throw new Error(`disk ${disk} has no device number`);
    await this.#node.make(device);
    this.#device = device;
    log.info({ path, disk, device }, "block device is there");
  }

  /** @param onOther what is done each time that it has another size
   * @throws {Error} it is not there in time, or not of that size; or `signal` is aborted */
  async #waitForDisk(
    size: number,
    onOther: (disk: string) => Promise<unknown> = () => Promise.resolve(),
    signal?: AbortSignal,
  ): Promise<string> {
    const { iqn, lun } = this.options;
    const deadline = performance.now() + this.diskWaitMs;
    for (;;) {
      const disk = (await this.session())?.disks.get(lun);
      const sectors = disk === undefined ? null : await this.#read(`/sys/class/block/${disk}/size`);
      if (disk !== undefined && Number(sectors) * 512 === size) return disk;
      if (performance.now() > deadline) {
        const seen = disk === undefined ? "no disk appears" : `disk ${disk} has ${sectors} sectors`;
        throw new Error(`logged in to ${iqn}, but ${seen} after ${this.diskWaitMs} ms`);
      }
      signal?.throwIfAborted();
      if (disk !== undefined) await onOther(disk);
      await sleep(DISK_POLL_MS, undefined, { signal });
    }
  }

  /** Of no effect, or refused, while the session is just being recovered. */
  async #rescan(disk: string): Promise<void> {
    await this.#write(`/sys/class/block/${disk}/device/rescan`, "1").catch((err: unknown) =>
      this.options.log.warn({ err }, "the disk is not looked at again"),
    );
  }

  async #sessions(): Promise<IscsiSession[]> {
    const { exitCode, output } = await this.machine.host.run("iscsiadm", ["-m", "session", "-P", "3"]);
    if (exitCode === NO_OBJECTS_FOUND) return [];
    if (exitCode !== 0) throw iscsiadmError("sessions cannot be listed", exitCode, output);
    return parseSessions(output).filter(({ target }) => target === this.options.iqn);
  }

  async #delete(record: readonly string[]): Promise<void> {
    const { exitCode, output } = await this.machine.host.run("iscsiadm", [...record, "-o", "delete"]);
    if (exitCode !== 0 && exitCode !== NO_OBJECTS_FOUND)
      throw iscsiadmError("the target's record cannot be removed", exitCode, output);
  }

  #record(portal: HostPort): string[] {
    return ["-m", "node", "-T", this.options.iqn, "-p", formatHostPort(portal)];
  }

  async #iscsiadm(what: string, args: readonly string[], timeoutMs = COMMAND_TIMEOUT_MS): Promise<void> {
    const { exitCode, output } = await this.machine.host.run("iscsiadm", args, timeoutMs);
    if (exitCode !== 0) throw iscsiadmError(what, exitCode, output);
  }

  async #read(path: string): Promise<string | null> {
    const { exitCode, output } = await this.machine.host.run("cat", [path]);
    return exitCode === 0 ? output : null;
  }

  /** @returns `MAJOR:MINOR` of a disk */
  #numberOf(disk: string): Promise<string | null> {
    return this.#read(`/sys/class/block/${disk}/dev`);
  }

  async #write(path: string, text: string): Promise<void> {
    const args = ["-c", 'echo "$1" >"$2"', "sh", text, path];
    const { exitCode, output } = await this.machine.host.run("sh", args);
    if (exitCode !== 0) throw new Error(`${path} cannot be written: ${output}`);
  }
}
