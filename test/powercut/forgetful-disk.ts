/** A file system on a disk that forgets unflushed writes when its power is cut (`forgetful_disk.cc`). Needs root. */
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compileTool } from "../tools/compile.js";
import { isAlive, run, startDaemon, waitFor, type Daemon } from "../tools/process.js";
import { unmount } from "../tools/unmount.js";

/** of the folder of a disk: the pid of its owner follows */
const PREFIX = "aurochs-disk-";
/** ms, on a machine that is busy with much else */
const STARTED_MS = 60_000;

export interface Cut {
  seed: number;
  /** per cent of the unflushed pieces that survive */
  keep: number;
  /** bytes of a piece: 512 tears within a file system block */
  granule: 512 | 4096;
}

/** A number says after how many more requests, or how many ms. */
export type DiskFault =
  "none" | "read-only" | "hang" | `${"read-error" | "write-error" | "sync-error" | "slow"} ${number}`;

export class ForgetfulDisk {
  /** where the file system is mounted */
  readonly mountPoint: string;
  private readonly backing: string;
  private readonly fuse: string;
  private daemon: Daemon | undefined;
  private fault: DiskFault = "none";
  /** told how many requests have met a fault, or a power cut, when that is over */
  onMet: (fault: string, requests: number) => void = () => undefined;

  private constructor(private readonly workDir: string) {
    this.mountPoint = join(workDir, "mnt");
    this.backing = join(workDir, "backing");
    this.fuse = join(workDir, "fuse");
  }

  static async make(type: "ext4" | "xfs", mebibytes: number): Promise<ForgetfulDisk> {
    await removeDeadDisks();
    const disk = new ForgetfulDisk(mkdtempSync(join(tmpdir(), `${PREFIX}${process.pid}-`)));
    mkdirSync(disk.mountPoint);
    mkdirSync(disk.fuse);
    writeFileSync(disk.backing, "");
    truncateSync(disk.backing, mebibytes * 1024 * 1024);
    const command = type === "ext4" ? ["mkfs.ext4", "-q", "-F"] : ["mkfs.xfs", "-q", "-f"];
    await run(command[0] ?? "", [...command.slice(1), disk.backing]);
    await disk.powerOn();
    return disk;
  }

  async powerOn(): Promise<void> {
    const program = await compileTool("test/powercut/forgetful_disk.cc", ["-I/usr/include/fuse3", "-lfuse3"]);
    // It ends with its owner, not with a Ctrl-C: what is on it may have to be stopped in order.
    const command = ["--pdeathsig", "KILL", program, this.fuse, this.backing];
    this.daemon = startDaemon("setpriv", command, { detached: true });
    await waitFor("the forgetful disk", STARTED_MS, () => (this.status() === undefined ? undefined : true));
    const loop = (await run("losetup", ["--show", "--find", join(this.fuse, "disk")])).trim();
    try {
      await run("mount", [loop, this.mountPoint]);
    } finally {
      // While it is mounted it stays; then it goes by itself, also where nobody is left to take it down.
      await run("losetup", ["--detach", loop]);
    }
  }

  /** From here on every access fails, until `powerOff` and `powerOn`. */
  cutPower({ seed, keep, granule }: Cut): void {
    writeFileSync(join(this.fuse, "cut"), `${seed} ${keep} ${granule}\n`);
    this.onMet("power cut", 1);
  }

  /** Makes it a bad disk, or a good one again, see `forgetful_disk.cc`. */
  fail(fault: DiskFault): void {
    if (this.fault !== "none") this.onMet(this.fault, Number(readFileSync(join(this.fuse, "fault"), "utf8")));
    this.fault = fault;
    writeFileSync(join(this.fuse, "fault"), `${fault}\n`);
  }

  /** As ext4 does by itself when it finds an error. */
  async remountReadOnly(): Promise<void> {
    await run("mount", ["-o", "remount,abort,errors=remount-ro", this.mountPoint]);
  }

  /** What is volatile now, in words; undefined while the disk is off. */
  status(): string | undefined {
    try {
      return readFileSync(join(this.fuse, "status"), "utf8").trim();
    } catch {
      return undefined;
    }
  }

  /** Takes everything down; nobody may have a file open here any more. */
  async powerOff(): Promise<void> {
    if (this.daemon === undefined) return;
    await unmount(this.mountPoint);
    await unmount(this.fuse);
    await this.daemon.ended;
    this.daemon = undefined;
  }

  /** Takes everything down and away, also from under those who still have a file open here. */
  async remove(): Promise<void> {
    if (this.daemon !== undefined) {
      this.fail("none");
      await run("umount", ["--lazy", this.mountPoint]).catch(() => undefined);
      await run("umount", ["--lazy", this.fuse]).catch(() => undefined);
      this.daemon.child.kill("SIGKILL");
      await this.daemon.ended;
    }
    rmdirSync(this.mountPoint);
    rmdirSync(this.fuse);
    rmSync(this.workDir, { recursive: true });
  }
}

/** Takes away what owners that were killed have left behind. */
async function removeDeadDisks(): Promise<void> {
  for (const name of readdirSync(tmpdir())) {
    const owner = new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1];
    if (owner === undefined || isAlive(Number(owner))) continue;
    const folder = join(tmpdir(), name);
    const loops = await run("losetup", [
      "--noheadings",
      "--output",
      "NAME",
      "--associated",
      join(folder, "fuse", "disk"),
    ]).catch(() => "");
    await run("umount", ["--lazy", join(folder, "mnt")]).catch(() => undefined);
    for (const loop of loops.split("\n").filter((line) => line !== ""))
      await run("losetup", ["--detach", loop.trim()]).catch(() => undefined);
    // The disk's process ends with its mount.
    await run("umount", ["--lazy", join(folder, "fuse")]).catch(() => undefined);
    rmSync(folder, { recursive: true, force: true });
  }
}
