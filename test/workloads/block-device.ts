/** A target's LUN as a block device of this kernel: `iscsi_fuse.cc` under a loop device. Needs root. */
import { closeSync, mkdtempSync, openSync, readFileSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compileTool } from "../tools/compile.js";
import { run, startDaemon, waitFor, type Daemon } from "../tools/process.js";
import { unmount } from "../tools/unmount.js";

const INITIATOR = "iqn.2014-11.test:workload";
const TIMEOUT_MS = 60_000;

/** What the initiator has done since it was started. */
export interface InitiatorCounts {
  reads: number;
  writes: number;
  /** SYNCHRONIZE CACHE */
  flushes: number;
  /** UNMAP and WRITE SAME */
  unmaps: number;
  logins: number;
  /** not answered yet */
  waiting: number;
  /** of the disk */
  bytes: number;
}

export class BlockDevice {
  private attached = true;

  private constructor(
    private readonly mountPoint: string,
    private readonly initiator: Daemon,
    /** e.g. `/dev/loop0` */
    readonly path: string,
    /** As long as it is open the loop device is there; with the last user it goes by itself. */
    private readonly fd: number,
  ) {}

  /** @throws when the target does not answer */
  static async attach(url: string): Promise<BlockDevice> {
    const program = await compileTool("test/tools/iscsi_fuse.cc", [
      "-I/usr/include/fuse3",
      "-lfuse3",
      "-liscsi",
    ]);
    const mountPoint = mkdtempSync(join(tmpdir(), "aurochs-lun-"));
    const initiator = startDaemon(program, [mountPoint, INITIATOR, url]);
    let ended = false;
    void initiator.ended.then(() => (ended = true));
    try {
      await waitFor("the initiator", TIMEOUT_MS, () => {
        if (ended) throw new Error(`the initiator ended: ${initiator.output()}`);
        return readCounts(mountPoint) === undefined ? undefined : true;
      });
      const path = (
        await run("losetup", ["--show", "--find", "--direct-io=on", join(mountPoint, "disk")])
      ).trim();
      const fd = openSync(path, "r");
      await run("losetup", ["--detach", path]);
      return new BlockDevice(mountPoint, initiator, path, fd);
    } catch (error) {
      initiator.child.kill("SIGKILL");
      await initiator.ended;
      await run("umount", ["--lazy", mountPoint]).catch(() => undefined);
      rmdirSync(mountPoint);
      throw error;
    }
  }

  counts(): InitiatorCounts {
    const counts = readCounts(this.mountPoint);
    if (counts === undefined) throw new Error(`the initiator is gone: ${this.initiator.output()}`);
    return counts;
  }

  /** Errors that the target answered with, in words. */
  errors(): string {
    return this.initiator.output();
  }

  /** Logs out. The file system has to be unmounted. */
  async detach(): Promise<void> {
    this.attached = false;
    await this.release();
    await unmount(this.mountPoint);
    await this.initiator.ended;
    rmdirSync(this.mountPoint);
  }

  /** The initiator's machine dies: nothing more is sent, everything under way fails. `remove` takes the rest away. */
  kill(): void {
    this.initiator.child.kill("SIGKILL");
  }

  /** After `kill`, and once nobody has the device mounted any more; does nothing when it is detached. */
  async remove(): Promise<void> {
    if (!this.attached) return;
    this.attached = false;
    await this.initiator.ended;
    await this.release();
    await unmount(this.mountPoint);
    rmdirSync(this.mountPoint);
  }

  private async release(): Promise<void> {
    closeSync(this.fd);
    const backing = `/sys/block/${this.path.slice("/dev/".length)}/loop/backing_file`;
    await waitFor(`${this.path} to go`, TIMEOUT_MS, () => {
      try {
        return readFileSync(backing, "utf8").startsWith(this.mountPoint) ? undefined : true;
      } catch {
        return true;
      }
    });
  }
}

function readCounts(mountPoint: string): InitiatorCounts | undefined {
  try {
    const lines = readFileSync(join(mountPoint, "status"), "utf8").trim().split("\n");
    const counts = lines.map((line): [string, number] => {
      const [name = "", value] = line.split(" ");
      return [name, Number(value)];
    });
    return Object.fromEntries(counts) as unknown as InitiatorCounts;
  } catch {
    return undefined;
  }
}
